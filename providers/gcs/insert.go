package gcs

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"

	"cloud.google.com/go/storage"

	"github.com/snapferry/snapferry/providers"
)

// contentType is that of every object: bytes.
const contentType = "application/octet-stream"

// upload is one object to be stored.
type upload struct {
	key     string
	create  bool // refuse if the key is taken
	crc     uint32
	sum     [32]byte
	size    int64
	content io.Reader
}

// checksum returns the CRC32C of a body. It reads the content itself: what
// watches and limits transfers does not see it.
func checksum(body providers.Body) (uint32, error) {
	r := providers.Content(body).Open()
	defer func() { _ = r.Close() }() // releases nothing
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(h, r); err != nil {
		return 0, fmt.Errorf("read body: %w", err)
	}
	return h.Sum32(), nil
}

// insert sends an object with one request. It reads the content in the
// caller's goroutine alone; the library gets copies.
func (b *Bucket) insert(ctx context.Context, u upload) (*storage.ObjectAttrs, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := &operation{upload: true}
	w := b.writer(o.in(ctx), u)
	n, err := io.Copy(w, u.content)
	if err == nil && n != u.size {
		err = &finding{fmt.Errorf("read body: %w: %d bytes of %d", io.ErrUnexpectedEOF, n, u.size)}
	}
	if err != nil {
		abandon(w, cancel, err)
		return nil, err
	}
	o.whole.Store(true)
	if err := w.Close(); err != nil {
		return nil, err
	}
	return w.Attrs(), nil
}

// abandon ends an upload so that nothing of it is stored, and waits until the
// library does nothing with it any more. To close the writer means to commit;
// so the request is ended first, and the content after it with an error.
func abandon(w *storage.Writer, cancel context.CancelFunc, cause error) {
	cancel()
	_ = w.CloseWithError(cause) //nolint:staticcheck // the library ends the content for the context, too, but maybe after Close
	_ = w.Close()               // waits; the error is known
}

func (b *Bucket) writer(ctx context.Context, u upload) *storage.Writer {
	o := b.store.Object(u.key)
	if u.create {
		o = o.If(storage.Conditions{DoesNotExist: true})
	}
	w := o.NewWriter(ctx)
	w.ChunkSize = 0 // one request, no session
	w.ContentType = contentType
	w.CRC32C, w.SendCRC32C = u.crc, true
	w.DisableAutoChecksum = true // it goes ahead
	w.KMSKeyName = b.location.kmsKey
	// For people: `gcloud storage objects describe` shows it.
	w.Metadata = map[string]string{"sha256": hex.EncodeToString(u.sum[:])}
	a := b.options.AttributesOf(u.key)
	if a.Bulk {
		w.StorageClass = b.location.storageClass
	}
	if !a.Lock.IsZero() {
		w.Retention = &storage.ObjectRetention{Mode: retentionMode(a.Lock.Mode), RetainUntil: a.Lock.Until.UTC()}
	}
	return w
}
