package main

import (
	"math"
	"testing"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1500": 1500, "256MiB": 256 << 20, "256mib": 256 << 20, "1.5GB": 1_500_000_000, "1 GiB": 1 << 30,
		"0.5KiB": 512, "2TiB": 2 << 40, "20MB": 20_000_000, "3kB": 3000, "3KB": 3000, "7B": 7,
	} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "x", "-1", "+1", "1e3", "1.5.5GB", "0x10", "inf", "NaN", "1M", "1 G", "9999999TiB", "1MiBs"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, seed := range []string{"256MiB", "1.5GB", "20MB", "-1", "1e309", "0.0000001TiB", "9223372036854775807"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseBytes(text)
		if err == nil && n < 0 {
			t.Errorf("%q is %d", text, n)
		}
	})
}

func TestRateFlag(t *testing.T) {
	rate := byteSize{perSecond: true}
	if err := rate.Set("20MB/s"); err != nil || rate.n != 20_000_000 {
		t.Errorf("%d, %v", rate.n, err)
	}
	size := byteSize{n: 5}
	if err := size.Set("20MB/s"); err == nil || size.n != 5 {
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
