package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// mixBlock is how much of one kind of data comes in a row. It is not a
// multiple of the 4 MiB chunks of the archive, so most chunks hold two kinds.
const mixBlock = 5 * mib

// The vocabulary of the text: its size and its skew set how well it compresses.
const (
	vocabularySize = 1 << 13
	vocabularySkew = 1.07
)

// mix reads as the test data of every comparison: three fifths text, one fifth
// zeros, one fifth noise, always the same for one seed. It has no end.
type mix struct {
	seed  uint64
	block uint64 // index of the current block
	buf   []byte // what is left of it
	space []byte // memory of buf
	words [][]byte
}

func newMix(seed uint64) *mix {
	m := &mix{seed: seed, space: make([]byte, mixBlock)}
	r := rand.New(rand.NewPCG(seed, 0))
	m.words = make([][]byte, vocabularySize)
	for i := range m.words {
		word := make([]byte, 2+r.IntN(9))
		for j := range word {
			word[j] = byte('a' + r.IntN(26))
		}
		m.words[i] = append(word, ' ')
	}
	return m
}

// Read never fails and never ends.
func (m *mix) Read(p []byte) (int, error) {
	if len(m.buf) == 0 {
		m.fill()
	}
	n := copy(p, m.buf)
	m.buf = m.buf[n:]
	return n, nil
}

func (m *mix) fill() {
	m.buf = m.space
	switch m.block % 5 {
	case 2:
		clear(m.buf)
	case 3:
		noise(m.buf, m.seed, m.block)
	default:
		m.text(m.buf, m.block)
	}
	m.block++
}

func (m *mix) text(p []byte, block uint64) {
	r := rand.New(rand.NewPCG(m.seed, block+1))
	zipf := rand.NewZipf(r, vocabularySkew, 8, vocabularySize-1)
	for len(p) > 0 {
		word := m.words[zipf.Uint64()]
		if r.IntN(24) == 0 {
			word = fmt.Appendf(nil, "%d\n", r.Uint32())
		}
		p = p[copy(p, word):]
	}
}

// noise fills p with bytes that nothing can compress.
func noise(p []byte, seed, block uint64) {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
		key[8+i] = byte(block >> (8 * i))
	}
	_, _ = rand.NewChaCha8(key).Read(p) // never fails
}

// noiseReader reads as endless noise.
type noiseReader struct{ *rand.ChaCha8 }

func newNoise(seed byte) io.Reader { return noiseReader{rand.NewChaCha8([32]byte{seed})} }

// longStream reads as size bytes that differ from chunk to chunk but compress
// far, so that a source of many gigabytes needs little space in the vault.
func longStream(size int64) io.Reader { return io.LimitReader(&repeated{}, size) }

type repeated struct {
	buf  []byte
	rest []byte
	turn uint64
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.buf == nil {
		r.buf = make([]byte, mib)
		m := newMix(1)
		m.text(r.buf[:64*kib], 0)
		for n := 64 * kib; n < len(r.buf); n *= 2 {
			copy(r.buf[n:], r.buf[:n])
		}
	}
	if len(r.rest) == 0 {
		noise(r.buf[:8*kib], 7, r.turn)
		r.turn++
		r.rest = r.buf
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// writeFile creates path with the first size bytes of r.
func writeFile(path string, r io.Reader, size int64) error {
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
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	m := newMix(2)
	for i := range int64(8) {
		if err == nil {
			_, err = io.CopyN(io.NewOffsetWriter(f, i*(size/8)), m, data/8)
		}
	}
	return errors.Join(err, f.Close())
}

// writeFolder creates count small files, a thousand in a folder.
func writeFolder(path string, count int) error {
	m := newMix(3)
	text := make([]byte, 64*kib)
	m.text(text, 0)
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
