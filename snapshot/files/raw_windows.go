package files

import (
	"errors"
	"io"
	"os"
)

// rawFile is a file of a directory, opened for reading.
type rawFile struct{ *os.File }

func openRaw(path string) (rawFile, error) {
	f, err := os.Open(path)
	return rawFile{f}, err
}

func (f rawFile) readAt(p []byte, off int64) (int, error) {
	n, err := f.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f rawFile) inode() (inode, error) { return fstat(f.File) }

func (f rawFile) close() { _ = f.Close() }

func openRegular(path string) (*os.File, error) { return os.Open(path) }
