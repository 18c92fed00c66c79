package memory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestBudget(t *testing.T) {
	b := NewBudget(100)
	if err := b.Acquire(t.Context(), 101); err == nil {
		t.Error("more than the whole budget was given")
	}
	if err := b.Acquire(t.Context(), 60); err != nil {
		t.Fatal(err)
	}
	if err := b.Acquire(t.Context(), 40); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Acquire(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("acquire with nothing left: %v", err)
	}
	b.Release(100)
	if err := b.Acquire(t.Context(), 100); err != nil {
		t.Errorf("released bytes are not free: %v", err)
	}
}

// A buffer behaves like a plain byte slice, however it was filled.
func TestBuffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := NewBudget(1 << 30)
		buf := budget.NewBuffer()
		defer func() { buf.Free() }()
		var want []byte
		for i := range rapid.IntRange(0, 6).Draw(t, "parts") {
			part := bytes.Repeat([]byte{byte(i + 1), byte(i * 3)}, rapid.IntRange(0, PageSize).Draw(t, "n"))
			want = append(want, part...)
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				_, _ = buf.Write(part)
			case 1:
				other := budget.NewBuffer()
				_, _ = other.Write(part)
				buf.Append(other)
			case 2:
				if err := buf.Fill(iotest.HalfReader(bytes.NewReader(part)), int64(len(part)), sha256.New()); err != nil {
					t.Fatal(err)
				}
			}
		}
		buf.Seal()
		if buf.Size() != int64(len(want)) || buf.SHA256() != sha256.Sum256(want) || buf.Memory() < buf.Size() {
			t.Fatalf("%d bytes in %d, want %d", buf.Size(), buf.Memory(), len(want))
		}
		r := buf.Open()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read: %v", err)
		}
		off := rapid.IntRange(0, len(want)).Draw(t, "off")
		n := rapid.IntRange(0, len(want)-off).Draw(t, "n")
		if got := buf.Slice(int64(off), n, make([]byte, 0, n)); !bytes.Equal(got, want[off:off+n]) {
			t.Fatalf("slice of %d at %d differs", n, off)
		}
		if _, err := r.Seek(int64(off), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want[off:]) {
			t.Fatalf("read from %d: %v", off, err)
		}
	})
}

func TestReaderConforms(t *testing.T) {
	buf := NewBudget(1 << 30).NewBuffer()
	want := bytes.Repeat([]byte("0123456789abcdef"), PageSize/16*2+5)
	_, _ = buf.Write(want)
	if err := iotest.TestReader(buf.Open(), want); err != nil {
		t.Fatal(err)
	}
}

func TestFillWrongSize(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		r    io.Reader
		n    int64
		want error
	}{
		{strings.NewReader("abc"), 4, ErrSize}, {strings.NewReader("abcd"), 3, ErrSize}, {strings.NewReader(""), 1, ErrSize}, {strings.NewReader("a"), 0, ErrSize},
		{iotest.ErrReader(boom), 3, boom}, {iotest.DataErrReader(strings.NewReader("abc")), 3, nil}, {io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(boom)), 3, boom},
		{iotest.OneByteReader(strings.NewReader("abc")), 3, nil},
	} {
		if err := NewBudget(1<<20).NewBuffer().Fill(c.r, c.n, sha256.New()); !errors.Is(err, c.want) {
			t.Errorf("fill: %v, want %v", err, c.want)
		}
	}
}

// Freed pages are used again.
func TestPagesAreReused(t *testing.T) {
	budget := NewBudget(1 << 30)
	buf := budget.NewBuffer()
	data := make([]byte, 8*PageSize)
	_, _ = buf.Write(data)
	buf.Free()
	allocs := testing.AllocsPerRun(20, func() {
		b := budget.NewBuffer()
		_, _ = b.Write(data)
		b.Free()
	})
	if allocs > 8 {
		t.Errorf("%v allocations for 8 pages", allocs)
	}
}
