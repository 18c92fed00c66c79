package providers

import (
	"fmt"
	"strings"
)

// MaxPrefixBytes is the longest prefix of a vault. With it the longest key of
// the archive layout stays within MaxKeyBytes.
const MaxPrefixBytes = 512

// maxPrefixPart is the longest part between two slashes, in bytes: that of a
// series or image name.
const maxPrefixPart = 63

// CheckPrefix refuses a vault prefix outside the grammar: at most
// MaxPrefixBytes of parts [a-z0-9][a-z0-9._-]{0,62} joined by single slashes,
// no part with ".." in it or a dot at its end. Empty is allowed. It returns a
// plain error that says what is wrong.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > MaxPrefixBytes {
		return fmt.Errorf("the prefix has %d bytes, %d are allowed", len(prefix), MaxPrefixBytes)
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if err := checkPrefixPart(part); err != nil {
			return err
		}
	}
	return nil
}

func checkPrefixPart(part string) error {
	switch {
	case part == "":
		return fmt.Errorf("the prefix has an empty part")
	case len(part) > maxPrefixPart:
		return fmt.Errorf("the part %q of the prefix has %d bytes, %d are allowed", part, len(part), maxPrefixPart)
	case strings.Contains(part, "..") || part[len(part)-1] == '.':
		return fmt.Errorf("the part %q of the prefix has two dots in a row or a dot at its end", part)
	}
	for i := range len(part) {
		c := part[i]
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '_' && c != '-') {
			return fmt.Errorf("the part %q of the prefix holds the byte %q at place %d", part, c, i+1)
		}
	}
	return nil
}

// CheckListPrefix refuses a prefix no valid key can begin with. It returns an
// ErrInvalidKey.
func CheckListPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if CheckKey(prefix+"x") != nil && CheckKey(prefix) != nil {
		return fmt.Errorf("%w: no key begins with %q", ErrInvalidKey, prefix)
	}
	return nil
}
