package providers

import (
	"fmt"
	"strings"
)

// MaxKeyBytes is the longest key any provider accepts; S3, GCS and Azure all
// take 1,024 bytes.
const MaxKeyBytes = 1024

// CheckKey refuses a key outside the grammar every store and file system
// keeps as it is: parts of [A-Za-z0-9._-] that do not begin with a dot,
// joined by single slashes. It returns an ErrInvalidKey that names the key.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKeyBytes {
		return fmt.Errorf("%w: %q has %d bytes, 1 to %d are allowed", ErrInvalidKey, key, len(key), MaxKeyBytes)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part[0] == '.' {
			return fmt.Errorf("%w: %q has a part that is empty or begins with a dot", ErrInvalidKey, key)
		}
		for i := range len(part) {
			if !keyByte(part[i]) {
				return fmt.Errorf("%w: %q holds the byte %q", ErrInvalidKey, key, part[i])
			}
		}
	}
	return nil
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}
