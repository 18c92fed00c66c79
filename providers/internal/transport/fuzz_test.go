package transport

import (
	"fmt"
	"testing"
)

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-5/6", "bytes 9-5/20", "bytes 0-9/*", "bytes */10", "bytes 0-9/10x", "", "bytes -1-2/3", "bytes 0-9223372036854775807/9223372036854775807", "bytes 0-99999999999999999999/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, size, err := ParseContentRange(s)
		if err != nil {
			return
		}
		if from < 0 || to < from || size <= to {
			t.Errorf("%q gives %d-%d/%d", s, from, to, size)
		}
		if again := fmt.Sprintf("bytes %d-%d/%d", from, to, size); len(s) == len(again) && s != again {
			t.Errorf("%q is read as %q", s, again)
		}
	})
}
