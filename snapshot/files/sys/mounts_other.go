//go:build !linux

package sys

// MountedAt knows nothing here; a device cannot be read or written either.
func MountedAt(string) (string, bool) { return "", false }
