package providers

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

type unit struct {
	name  string
	bytes float64
}

func units() []unit {
	return []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}
}

var errSize = errors.New("not a size: write for instance 256MiB, 1.5GB or a number of bytes")

// ParseBytes reads a number of bytes such as 256MiB or 1.5GB. Units of 1,024
// and of 1,000 are told apart by their i; case does not matter.
func ParseBytes(s string) (int64, error) {
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
