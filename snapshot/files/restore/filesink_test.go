package restore

import "testing"

func TestTouched(t *testing.T) {
	var w touched
	if w.any(0, 1<<50) {
		t.Error("a fresh file is touched")
	}
	w.add(3<<20+5, 10)
	for _, tc := range []struct {
		off, n int64
		want   bool
	}{{0, 3 << 20, false}, {3 << 20, 1, true}, {0, 1 << 40, true}, {4 << 20, 1 << 40, false}, {3<<20 + 7, 0, false}} {
		if w.any(tc.off, tc.n) != tc.want {
			t.Errorf("%+v", tc)
		}
	}
}
