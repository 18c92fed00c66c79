//go:build linux || darwin

package files

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// fileHoles yields the holes of f below size of at least minHole bytes. Where
// the file system cannot tell, there are none.
func fileHoles(ctx context.Context, f *os.File, size int64, yield func(snapshot.Extent) bool) error {
	for pos := int64(0); pos < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		hole, err := f.Seek(pos, unix.SEEK_HOLE)
		if errors.Is(err, unix.ENXIO) || sys.IsUnsupported(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("seek hole: %w", err)
		}
		if hole >= size {
			return nil
		}
		data, err := f.Seek(hole, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			data = size // nothing but a hole up to the end
		} else if err != nil {
			return fmt.Errorf("seek data: %w", err)
		}
		data = min(data, size)
		if data <= pos { // a file that changes under our hands; Check tells
			return nil
		}
		if data-hole >= minHole && !yield(snapshot.Extent{Offset: hole, Length: data - hole}) {
			return nil
		}
		pos = data
	}
	return nil
}
