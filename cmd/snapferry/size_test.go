package main

import (
	"math"
	"testing"
)

func TestSizeFlag(t *testing.T) {
	size := byteSize{n: 5}
	if err := size.Set("20MB/s"); err == nil || size.n != 5 {
		t.Errorf("%d, %v", size.n, err)
	}
	if err := size.Set("20MB"); err != nil || size.n != 20_000_000 {
		t.Errorf("%d, %v", size.n, err)
	}
	if text := (&byteSize{n: 256 << 20}).String(); text != "256MiB" {
		t.Errorf("the default shows as %q", text)
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 3 << 29: "1.5 GiB", math.MaxInt64: "8.0 EiB",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d shows as %q, want %q", n, got, want)
		}
	}
}

func TestParsePart(t *testing.T) {
	for text, want := range map[string]float64{"5%": 0.05, "100%": 1, "0.5%": 0.005} {
		if got, err := parsePart(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "%", "5", "0%", "-1%", "100.1%", "NaN%", "inf%"} {
		if got, err := parsePart(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}
