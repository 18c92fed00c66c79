package gcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/snapferry/snapferry/providers"
)

// maxAnswer bounds what is read of an answer that should be a short document.
const maxAnswer = 1 << 20

// upload is one object to be stored.
type upload struct {
	key     string
	create  bool // refuse if the key is taken
	crc     string
	sum     [32]byte
	size    int64
	content io.Reader
}

// checksum returns the CRC32C of a body in the form of the API. It reads the
// content itself: what watches and limits transfers does not see it.
func checksum(body providers.Body) (string, error) {
	r := providers.Content(body).Open()
	defer func() { _ = r.Close() }() // releases nothing
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(h, r); err != nil {
		return "", fmt.Errorf("read body: %w", err)
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32())), nil
}

// insert sends an object with one multipart request of known length. Google's
// libraries would send it through a pipe, in pieces and without its length.
func (b *Bucket) insert(ctx context.Context, u upload) (*storage.Object, error) {
	req, err := b.insertRequest(ctx, u)
	if err != nil {
		return nil, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	if err := googleapi.CheckResponse(resp); err != nil {
		return nil, err
	}
	stored := new(storage.Object)
	if err := json.NewDecoder(resp.Body).Decode(stored); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return stored, nil
}

func (b *Bucket) insertRequest(ctx context.Context, u upload) (*http.Request, error) {
	var framed bytes.Buffer
	parts := multipart.NewWriter(&framed)
	meta, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json; charset=UTF-8"}})
	if err == nil {
		err = json.NewEncoder(meta).Encode(b.resource(u))
	}
	if err == nil {
		_, err = parts.CreatePart(textproto.MIMEHeader{"Content-Type": {contentType}})
	}
	if err != nil {
		return nil, err
	}
	head := bytes.Clone(framed.Bytes())
	framed.Reset()
	if err := parts.Close(); err != nil {
		return nil, err
	}
	tail := framed.Bytes()
	place := b.location.base() + "/upload/storage/v1/b/" + url.PathEscape(b.location.bucket) + "/o?" + b.insertQuery(u).Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, place, io.MultiReader(bytes.NewReader(head), u.content, bytes.NewReader(tail)))
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(head)) + u.size + int64(len(tail))
	req.Header.Set("Content-Type", "multipart/related; boundary="+parts.Boundary())
	req.Header.Set("User-Agent", googleapi.UserAgent+" "+b.service.UserAgent)
	return req, nil
}

func (b *Bucket) insertQuery(u upload) url.Values {
	q := url.Values{"uploadType": {"multipart"}, "name": {u.key}, "fields": {"crc32c,size,generation"}, "prettyPrint": {"false"}}
	if u.create {
		q.Set("ifGenerationMatch", "0")
	}
	if b.location.kmsKey != "" {
		q.Set("kmsKeyName", b.location.kmsKey)
	}
	if b.location.userProject != "" {
		q.Set("userProject", b.location.userProject)
	}
	return q
}

// contentType is that of every object: bytes.
const contentType = "application/octet-stream"

// resource is what the store is to know of an object.
func (b *Bucket) resource(u upload) *storage.Object {
	o := &storage.Object{Name: u.key, ContentType: contentType, Crc32c: u.crc,
		// For people: `gcloud storage objects describe` shows it.
		Metadata: map[string]string{"sha256": hex.EncodeToString(u.sum[:])}}
	a := b.options.AttributesOf(u.key)
	if a.Bulk {
		o.StorageClass = b.location.storageClass
	}
	if !a.Lock.IsZero() {
		o.Retention = &storage.ObjectRetention{Mode: retentionMode(a.Lock.Mode), RetainUntilTime: a.Lock.Until.UTC().Format(time.RFC3339)}
	}
	return o
}
