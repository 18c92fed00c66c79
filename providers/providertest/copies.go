package providertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

// Copies is one store that copies objects by itself under test.
type Copies struct {
	// Bucket is open and empty. RunCopies does not close it.
	Bucket providers.Bucket
	// TellsNothing says that the store tells no hash of what it copied: that it
	// copied other bytes of the same size shows when they are read.
	TellsNothing bool
}

// RunCopies tries what providers.Copier promises, each test on a store of its
// own.
func RunCopies(t *testing.T, open func(t *testing.T) Copies) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c Copies, copier providers.Copier)
	}{
		{"copy", testCopy},
		{"taken", testCopyTaken},
		{"missing", testCopyMissing},
		{"other content", testCopyOther},
		{"side by side", testCopySideBySide},
		{"cancelled", testCopyCancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(t)
			copier, ok := providers.Feature[providers.Copier](providers.Decorate(c.Bucket, providers.Policy{Tries: 1}))
			if !ok {
				t.Fatalf("%T copies nothing", c.Bucket)
			}
			test.run(t, c, copier)
		})
	}
}

func digest(b []byte) providers.Digest {
	return providers.Digest{Size: int64(len(b)), SHA256: sha256.Sum256(b)}
}

func create(t *testing.T, b providers.Bucket, key string, content []byte) {
	t.Helper()
	if err := b.Put(t.Context(), key, providers.Bytes(content)); err != nil {
		t.Fatal(err)
	}
}

// testCopy: what is copied is an object of its own, whatever its name and size.
func testCopy(t *testing.T, c Copies, copier providers.Copier) {
	for i, content := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("0123456789"), 900_000)} {
		from, to := fmt.Sprintf("from/%d/a.b-c_d", i), fmt.Sprintf("to/x/%d", i)
		create(t, c.Bucket, from, content)
		if err := copier.CopyObject(t.Context(), from, to, digest(content)); err != nil {
			t.Fatal(err)
		}
		wantContent(t, c.Bucket, to, content)
		if err := c.Bucket.Delete(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		wantContent(t, c.Bucket, to, content)
	}
}

// testCopyTaken: nothing is replaced, and a repeated copy says so.
func testCopyTaken(t *testing.T, c Copies, copier providers.Copier) {
	create(t, c.Bucket, "from", []byte("new"))
	create(t, c.Bucket, "to", []byte("old"))
	if err := copier.CopyObject(t.Context(), "from", "to", digest([]byte("new"))); !errors.Is(err, providers.ErrExists) {
		t.Errorf("over another: %v", err)
	}
	wantContent(t, c.Bucket, "to", []byte("old"))
	for i := range 2 {
		err := copier.CopyObject(t.Context(), "from", "once", digest([]byte("new")))
		if (i > 0) != errors.Is(err, providers.ErrExists) || i == 0 && err != nil {
			t.Errorf("copy %d: %v", i, err)
		}
	}
}

func testCopyMissing(t *testing.T, c Copies, copier providers.Copier) {
	if err := copier.CopyObject(t.Context(), "from", "to", digest(nil)); !errors.Is(err, providers.ErrNotFound) {
		t.Error(err)
	}
	if _, err := Read(c.Bucket, "to"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("it is there: %v", err)
	}
}

// testCopyOther: what is not as it should be is told, as far as the store
// tells.
func testCopyOther(t *testing.T, c Copies, copier providers.Copier) {
	create(t, c.Bucket, "from", []byte("good"))
	if err := copier.CopyObject(t.Context(), "from", "size", digest([]byte("longer"))); !errors.Is(err, providers.ErrChecksum) {
		t.Errorf("another size: %v", err)
	}
	if err := copier.CopyObject(t.Context(), "from", "bytes", digest([]byte("bads"))); !errors.Is(err, providers.ErrChecksum) && !c.TellsNothing {
		t.Errorf("other bytes: %v", err)
	}
}

// testCopySideBySide: of many copies of one object at once, none fails for
// good, and it is there.
func testCopySideBySide(t *testing.T, c Copies, copier providers.Copier) {
	content := bytes.Repeat([]byte("side"), 50_000)
	create(t, c.Bucket, "from", content)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := copier.CopyObject(t.Context(), "from", "to", digest(content))
			if err != nil && !errors.Is(err, providers.ErrExists) && providers.Permanent(err) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantContent(t, c.Bucket, "to", content)
}

func testCopyCancelled(t *testing.T, c Copies, copier providers.Copier) {
	create(t, c.Bucket, "from", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := copier.CopyObject(ctx, "from", "to", digest([]byte("x"))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := copier.CopyObject(t.Context(), "from", "/not/a//key", digest([]byte("x"))); !errors.Is(err, providers.ErrInvalidKey) {
		t.Errorf("a bad key: %v", err)
	}
}

// RunHolds tries what providers.Holder promises. The buckets are open: one that
// takes holds, and one that does not; nil if there is none.
func RunHolds(t *testing.T, b, without providers.Bucket) {
	holder := holderOf(t, b)
	create(t, b, "held", []byte("held"))
	if err := holder.CheckHold(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, true, false, false, true} {
		if err := holder.SetHold(t.Context(), "held", on); err != nil {
			t.Fatal(err)
		}
		if got, err := holder.Held(t.Context(), "held"); err != nil || got != on {
			t.Errorf("held %t, %v; want %t", got, err, on)
		}
	}
	wantContent(t, b, "held", []byte("held"))
	create(t, b, "free", nil)
	if got, err := holder.Held(t.Context(), "free"); err != nil || got {
		t.Errorf("an object without a hold: %t, %v", got, err)
	}
	if _, err := holder.Held(t.Context(), "none"); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("of what is not there: %v", err)
	}
	if holder.SetHold(t.Context(), "none", true) == nil { // what the error is differs
		t.Error("what is not there is held")
	}
	if without == nil {
		return
	}
	if err := holderOf(t, without).CheckHold(t.Context()); !errors.Is(err, providers.ErrUnsupported) {
		t.Errorf("a bucket without: %v", err)
	}
}

func holderOf(t *testing.T, b providers.Bucket) providers.Holder {
	t.Helper()
	holder, ok := providers.Feature[providers.Holder](providers.Decorate(b, providers.Policy{Tries: 1}))
	if !ok {
		t.Fatalf("%T holds nothing", b)
	}
	return holder
}
