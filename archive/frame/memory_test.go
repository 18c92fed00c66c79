package frame

import (
	"bytes"
	"io"
	"runtime"
	"testing"
)

// What an encoder holds on to must be no more than the budget is told.
func TestLevelMemory(t *testing.T) {
	const chunk, encoders = 4 << 20, 4
	raw := bytes.Repeat(append(noise(1, 5000), samples()["text"][:20000]...), chunk/25000+1)[:chunk]
	for _, level := range Levels() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		keep := make([]*Encoder, encoders)
		for i := range keep {
			enc, err := NewEncoder(level, chunk)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := enc.Encode(io.Discard, raw); err != nil {
				t.Fatal(err)
			}
			keep[i] = enc
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / encoders
		t.Logf("%-8s %6.2f MiB an encoder, %6.2f MiB in the budget", level, float64(each)/(1<<20), float64(level.Memory(chunk))/(1<<20))
		if each > level.Memory(chunk) {
			t.Errorf("%s holds %d bytes, the budget is told %d", level, each, level.Memory(chunk))
		}
		runtime.KeepAlive(keep)
	}
}
