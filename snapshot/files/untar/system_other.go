//go:build !linux

package untar

import (
	"archive/tar"
	"errors"
	"os"
	"time"
)

// setTime restores the modification time; that of a symbolic link is not kept.
func (f *folder) setTime(base string, h *tar.Header) error {
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	return f.root.Chtimes(base, time.Time{}, h.ModTime)
}

func (f *folder) makeSpecial(string, *tar.Header) error { return errors.ErrUnsupported }

func (f *folder) setLinkXattr(string, string, string) error { return errors.ErrUnsupported }

func setXattr(f *os.File, name, value string) error { return setFileXattr(f, name, value) }

func isUnsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
