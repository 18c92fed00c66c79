//go:build !linux

package files

// mountedAt knows nothing here; a device cannot be read or written either.
func mountedAt(string) (string, bool) { return "", false }
