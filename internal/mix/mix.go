// Package mix generates the data that benchmarks and tests back up: always the
// same bytes for one seed, and as compressible as those of a database.
package mix

import (
	"fmt"
	"io"
	"math/rand/v2"
)

// BlockBytes is how much of one kind of data comes in a row. It is not a
// multiple of the 4 MiB chunks of the archive, so most chunks hold two kinds.
const BlockBytes = 5 << 20

// The vocabulary of the text: its size and its skew set how well it compresses.
const (
	vocabularySize = 1 << 13
	vocabularySkew = 1.07
)

// Kinds lists what New makes.
func Kinds() []string { return []string{"mix", "text", "noise", "zero"} }

// New returns an endless reader of one of the Kinds; mix is three fifths
// text, one fifth zeros and one fifth noise, in turns.
func New(kind string, seed uint64) (io.Reader, error) {
	turns := map[string][]filler{
		"mix":   {(*reader).text, (*reader).text, (*reader).zero, (*reader).noise, (*reader).text},
		"text":  {(*reader).text},
		"noise": {(*reader).noise},
		"zero":  {(*reader).zero},
	}[kind]
	if turns == nil {
		return nil, fmt.Errorf("unknown kind of data %q", kind)
	}
	r := &reader{seed: seed, turns: turns, space: make([]byte, BlockBytes)}
	r.words = vocabulary(seed)
	return r, nil
}

type filler func(r *reader, p []byte)

// reader makes one block at a time.
type reader struct {
	seed  uint64
	turns []filler
	block uint64 // index of the next block
	buf   []byte // what is left of the current one
	space []byte // memory of buf
	words [][]byte
}

func vocabulary(seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 0))
	words := make([][]byte, vocabularySize)
	for i := range words {
		word := make([]byte, 2+r.IntN(9))
		for j := range word {
			word[j] = byte('a' + r.IntN(26))
		}
		words[i] = append(word, ' ')
	}
	return words
}

// Read never fails and never ends.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.buf) == 0 {
		r.buf = r.space
		r.turns[r.block%uint64(len(r.turns))](r, r.buf)
		r.block++
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

func (r *reader) text(p []byte) {
	random := rand.New(rand.NewPCG(r.seed, r.block+1))
	zipf := rand.NewZipf(random, vocabularySkew, 8, vocabularySize-1)
	for len(p) > 0 {
		word := r.words[zipf.Uint64()]
		if random.IntN(24) == 0 {
			word = fmt.Appendf(nil, "%d\n", random.Uint32())
		}
		p = p[copy(p, word):]
	}
}

func (r *reader) noise(p []byte) {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(r.seed >> (8 * i))
		key[8+i] = byte(r.block >> (8 * i))
	}
	_, _ = rand.NewChaCha8(key).Read(p) // never fails
}

func (r *reader) zero(p []byte) { clear(p) }
