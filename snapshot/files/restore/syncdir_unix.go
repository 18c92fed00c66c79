//go:build unix

package restore

import "os"

// syncDir makes the names in a folder durable.
func syncDir(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return firstError(f.Sync(), f.Close())
}
