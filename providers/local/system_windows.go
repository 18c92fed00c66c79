package local

import (
	"os"

	"golang.org/x/sys/windows"
)

var (
	noSpaceErrors = []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
	deniedErrors  = []error{windows.ERROR_WRITE_PROTECT}
	// noLinkErrors say that a file system has no hard links.
	noLinkErrors      = []error{windows.ERROR_INVALID_FUNCTION, windows.ERROR_NOT_SUPPORTED, windows.ERROR_TOO_MANY_LINKS}
	nameTooLongErrors = []error{windows.ERROR_FILENAME_EXCED_RANGE}
	errNotDir         = error(windows.ERROR_DIRECTORY)
)

// syncDir does nothing: Windows cannot flush a folder, NTFS journals its
// entries.
func syncDir(*os.File) error { return nil }
