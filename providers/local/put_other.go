//go:build !linux

package local

import (
	"context"
	"os"

	"github.com/snapferry/snapferry/providers"
)

// putUnnamed needs O_TMPFILE, which Linux alone has.
func (b *Bucket) putUnnamed(context.Context, *os.Root, string, providers.Body) error {
	return errUnnamed
}

// renameNew needs a rename that refuses a taken name, which is used on Linux
// alone.
func renameNew(_ *os.Root, _, to string) error { return errNoCreate(to) }
