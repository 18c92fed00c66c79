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
		const itself = 1 << 10 // the Encoder without what it holds
		if each > level.Memory(chunk)+itself {
			t.Errorf("%s holds %d bytes, the budget is told %d", level, each, level.Memory(chunk))
		}
		runtime.KeepAlive(keep)
	}
}

// An Encoder that changes its level holds the fastest encoder and one harder,
// however often it changes, and the fastest alone once it relaxed.
func TestLevelsOnTheWay(t *testing.T) {
	const chunk = 4 << 20
	raw := bytes.Repeat(append(noise(1, 5000), samples()["text"][:20000]...), chunk/25000+1)[:chunk]
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	enc, err := NewEncoder(Auto, chunk)
	if err != nil {
		t.Fatal(err)
	}
	held := func() int64 {
		runtime.GC()
		runtime.ReadMemStats(&after)
		return int64(after.HeapAlloc) - int64(before.HeapAlloc)
	}
	sizes := map[Level]int{}
	for _, level := range []Level{Fastest, Best, Default, Fastest, Better, Best, Default} {
		if err := enc.Use(level); err != nil {
			t.Fatal(err)
		}
		n, err := enc.Encode(io.Discard, raw)
		if err != nil {
			t.Fatal(err)
		}
		if old, ok := sizes[level]; ok && old != n {
			t.Errorf("%s made %d bytes, and %d before", level, n, old)
		}
		sizes[level] = n
		if limit := Fastest.Memory(chunk) + Best.Extra(chunk); held() > limit {
			t.Errorf("%s: %d bytes are held, %d may be", level, held(), limit)
		}
	}
	if sizes[Best] >= sizes[Fastest] {
		t.Errorf("best makes %d bytes, fastest %d", sizes[Best], sizes[Fastest])
	}
	if err := enc.Relax(); err != nil || held() > Fastest.Memory(chunk) {
		t.Errorf("relaxed, it holds %d bytes: %v", held(), err)
	}
	if err := enc.Use("hardest"); err == nil {
		t.Error("an unknown level passed")
	}
	runtime.KeepAlive(enc)
	runtime.KeepAlive(raw)
}
