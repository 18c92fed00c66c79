//go:build !linux

package freeze

import (
	"os"
	"os/exec"
)

// Check refuses all.
func (r Request) Check() error { return ErrUnsupported }

func open(folder string) (*os.File, error) { return os.Open(folder) }
func flush(string) error                   { return ErrUnsupported }
func set(string) error                     { return ErrUnsupported }
func release(string) error                 { return ErrUnsupported }
func thaw(*os.File) error                  { return ErrUnsupported }
func detach(*exec.Cmd)                     {}
