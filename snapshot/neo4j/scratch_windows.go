package neo4j

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// freeSpace returns the bytes that this user may still write below path.
func freeSpace(path string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}

// removeLocked closes the file first, since an open one cannot be removed. If
// another run has opened it meanwhile, it stays.
func removeLocked(f *os.File) error {
	err := f.Close()
	rmErr := os.Remove(f.Name())
	if errors.Is(rmErr, fs.ErrNotExist) || errors.Is(rmErr, windows.ERROR_SHARING_VIOLATION) {
		rmErr = nil
	}
	return errors.Join(err, rmErr)
}

// writable leaves it to neo4j-admin: what the access list says, only trying
// tells.
func writable(string) error { return nil }

// private reports whether info is of a folder. Who may write to it is up to the
// access list that it inherits.
func private(info fs.FileInfo) bool { return info.IsDir() }
