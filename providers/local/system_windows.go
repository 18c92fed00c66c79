package local

import (
	"os"

	"golang.org/x/sys/windows"
)

const errNotDir = windows.ERROR_DIRECTORY

func noSpaceErrors() []error {
	return []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
}

func deniedErrors() []error { return []error{windows.ERROR_WRITE_PROTECT} }

func nameTooLongErrors() []error { return []error{windows.ERROR_FILENAME_EXCED_RANGE} }

// noLinkErrors say that a file system has no hard links.
func noLinkErrors() []error {
	return []error{windows.ERROR_INVALID_FUNCTION, windows.ERROR_NOT_SUPPORTED, windows.ERROR_TOO_MANY_LINKS}
}

// syncDir does nothing: Windows cannot flush a folder, NTFS journals its
// entries.
func syncDir(*os.File) error { return nil }
