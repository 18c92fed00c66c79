package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
)

// nameList holds the names in one folder, packed: a folder of a million files
// takes about 20 MB, a third of what a slice of strings would.
type nameList struct {
	packed []byte // each name, then a zero byte, which no name can hold
	starts []int
}

// readNames lists the folder at path, sorted by bytes.
func readNames(ctx context.Context, path string) (*nameList, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	var l nameList
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			l.starts = append(l.starts, len(l.packed))
			l.packed = append(append(l.packed, name...), 0)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(l.starts, func(a, b int) int { return bytes.Compare(l.name(a), l.name(b)) })
	return &l, nil
}

func (l *nameList) name(start int) []byte {
	rest := l.packed[start:]
	return rest[:bytes.IndexByte(rest, 0)]
}

func (l *nameList) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, start := range l.starts {
			if !yield(string(l.name(start))) {
				return
			}
		}
	}
}
