package clone

import "fmt"

// Atomic refuses: there is no snapshot here that could hold the files.
func Atomic([]string) error {
	return fmt.Errorf("%w: snapshots are for Linux and other Unix systems", ErrUnfit)
}

func rootOf(string) (string, error) { return "", ErrUnfit }

func usedOf(string) (used float64, known bool, err error) { return 0, false, nil }
