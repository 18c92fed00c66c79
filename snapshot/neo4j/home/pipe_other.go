//go:build !linux

package home

import "os"

// widen does nothing: pipes are as large as they are.
func widen(*os.File) {}
