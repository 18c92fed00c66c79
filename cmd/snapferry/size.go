package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag: a number of bytes such as 256MiB or 1.5GB. With perSecond
// set it is a rate, and "/s" may follow.
type byteSize struct {
	n         int64
	perSecond bool
}

type unit struct {
	name  string
	bytes float64
}

func units() []unit {
	return []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}
}

var errSize = errors.New("not a size: write for instance 256MiB, 1.5GB or a number of bytes")

// parseBytes reads a size. Units of 1,024 and of 1,000 are told apart by
// their i; case does not matter.
func parseBytes(s string) (int64, error) {
	number, factor := strings.TrimSpace(s), 1.0
	for _, u := range units() {
		if cut := len(number) - len(u.name); cut > 0 && strings.EqualFold(number[cut:], u.name) {
			number, factor = strings.TrimSpace(number[:cut]), u.bytes
			break
		}
	}
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "xXpP_eEiInN+-") || x*factor >= math.MaxInt64 {
		return 0, errSize
	}
	return int64(math.Round(x * factor)), nil
}

// Set implements pflag.Value.
func (b *byteSize) Set(s string) error {
	if b.perSecond {
		s = strings.TrimSuffix(s, "/s")
	}
	n, err := parseBytes(s)
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
func (b *byteSize) Type() string {
	if b.perSecond {
		return "bytes/s"
	}
	return "bytes"
}

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
