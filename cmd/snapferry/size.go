package main

import (
	"fmt"
	"strconv"

	"github.com/snapferry/snapferry/job"
)

// byteSize is a flag: a number of bytes such as 256MiB or 1.5GB.
type byteSize struct{ n int64 }

// Set implements pflag.Value.
func (b *byteSize) Set(s string) error {
	n, err := job.ParseBytes(s)
	if err == nil {
		b.n = n
	}
	return err
}

// String implements pflag.Value.
func (b *byteSize) String() string {
	switch {
	case b.n == 0:
		return ""
	case b.n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", b.n>>20)
	}
	return strconv.FormatInt(b.n, 10)
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "bytes" }

// formatBytes shows a size to people.
func formatBytes(n int64) string {
	const names = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	x, i := float64(n)/(1<<10), 0
	for ; x >= 1023.95 && i < len(names)-1; i++ {
		x /= 1 << 10
	}
	return fmt.Sprintf("%.1f %ciB", x, names[i])
}
