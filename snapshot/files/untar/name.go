package untar

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// The longest path and the longest part of one that the systems we run on
// take, in bytes.
const (
	maxPath = 4095
	maxPart = 255
)

// cleanName returns the name of an entry, relative to the directory and without
// empty parts; "." is the directory itself.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", refuse(name, "it has no name")
	case name[0] == '/':
		return "", refuse(name, "its name is absolute")
	case len(name) > maxPath:
		return "", refuse(name, fmt.Sprintf("its name has %d bytes, a path takes at most %d", len(name), maxPath))
	case strings.IndexByte(name, 0) >= 0:
		return "", refuse(name, "its name holds a zero byte")
	}
	clean := make([]byte, 0, len(name))
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
			continue
		case part == "..":
			return "", refuse(name, "its name leads out of the directory")
		case len(part) > maxPart:
			return "", refuse(name, fmt.Sprintf("a part of its name has %d bytes, file systems take at most %d", len(part), maxPart))
		}
		if len(clean) > 0 {
			clean = append(clean, '/')
		}
		clean = append(clean, part...)
	}
	if len(clean) == 0 {
		return ".", nil
	}
	// What Windows reads into a name: drives, streams, devices.
	if runtime.GOOS == "windows" && (strings.ContainsAny(name, `\:`) || !filepath.IsLocal(filepath.FromSlash(string(clean)))) {
		return "", refuse(name, "this system gives its name another meaning")
	}
	return string(clean), nil
}

// quote makes a name fit for a message, however long it is and whatever it holds.
func quote(name string) string {
	const most = 100
	if len(name) > most {
		return strconv.QuoteToASCII(name[:most]) + "…"
	}
	return strconv.QuoteToASCII(name)
}
