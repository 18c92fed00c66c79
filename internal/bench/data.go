package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/snapferry/snapferry/internal/mix"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// longStream returns size bytes that differ from MiB to MiB but compress far,
// so that a source of many gigabytes needs little space in the vault.
func longStream(size int64) (io.Reader, error) {
	r := &repeated{buf: make([]byte, mib)}
	const text = 64 * kib
	if err := fill(r.buf[:text], "text", 1); err != nil {
		return nil, err
	}
	for n := text; n < len(r.buf); n *= 2 {
		copy(r.buf[n:], r.buf[:n])
	}
	var err error
	if r.noise, err = mix.New("noise", 1); err != nil {
		return nil, err
	}
	return io.LimitReader(r, size), nil
}

// repeated reads as one buffer again and again, its beginning new each time.
type repeated struct {
	buf, rest []byte
	noise     io.Reader
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if _, err := io.ReadFull(r.noise, r.buf[:8*kib]); err != nil {
			return 0, err
		}
		r.rest = r.buf
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// fill fills p with generated data.
func fill(p []byte, kind string, seed uint64) error {
	r, err := mix.New(kind, seed)
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, p)
	return err
}

// writeFile creates path with size bytes of generated data.
func writeFile(path, kind string, seed uint64, size int64) error {
	r, err := mix.New(kind, seed)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, mib)
	_, err = io.CopyN(w, r, size)
	return errors.Join(err, w.Flush(), f.Close())
}

// writeSparse creates a file of size bytes of which data bytes, in eight
// pieces, are not a hole.
func writeSparse(path string, size, data int64) error {
	m, err := mix.New("mix", 2)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	for i := range int64(8) {
		if err == nil {
			_, err = io.CopyN(io.NewOffsetWriter(f, i*(size/8)), m, data/8)
		}
	}
	return errors.Join(err, f.Close())
}

// writeFolder creates count small files, a thousand in a folder.
func writeFolder(path string, count int) error {
	text := make([]byte, 64*kib)
	if err := fill(text, "text", 3); err != nil {
		return err
	}
	for i := range count {
		dir := filepath.Join(path, fmt.Sprintf("%04d", i/1000))
		if i%1000 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		from := i * 7 % (len(text) - 400)
		name := filepath.Join(dir, fmt.Sprintf("%07d.txt", i))
		if err := os.WriteFile(name, text[from:from+i%400], 0o644); err != nil {
			return err
		}
	}
	return nil
}
