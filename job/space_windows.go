package job

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// diskSpace returns the size of the volume of a folder and what this user may
// still write to it, in bytes.
func diskSpace(folder string) (total, free uint64, err error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, &total, nil)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("look at %s: %w", folder, err)
	}
	return total, free, nil
}
