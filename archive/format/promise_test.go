package format_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
)

func promised(t testing.TB) (format.Name, lifecycle.Promise) {
	n, err := format.ParseName("monthly", "graph", "20261201T030000Z-full-1f3a9c0b5d7e2468")
	if err != nil {
		t.Fatal(err)
	}
	return n, lifecycle.Promise{Tier: lifecycle.Monthly, Time: n.ID.Time, Stands: []lifecycle.Tier{lifecycle.Daily, lifecycle.Monthly}, Until: n.ID.Time.AddDate(1, 0, 0), Begun: n.ID.Time.Add(time.Hour)}
}

func TestPromiseDocument(t *testing.T) {
	n, p := promised(t)
	b, err := format.Seal(format.NewPromise(n, p))
	if err != nil {
		t.Fatal(err)
	}
	var d format.Promise
	if err := format.Unseal(b, &d); err != nil || d.Check(n) != nil {
		t.Fatalf("%v, %v\n%s", err, d.Check(n), b)
	}
	back := d.Lifecycle()
	if back.Tier != p.Tier || !back.Time.Equal(p.Time) || !back.Until.Equal(p.Until) || !back.Begun.Equal(p.Begun) || len(back.Stands) != 2 || back.Stands[1] != lifecycle.Monthly {
		t.Errorf("read %+v, wrote %+v", back, p)
	}
	other := n
	other.Tier = lifecycle.Daily
	for name, broken := range map[string]func(d *format.Promise){
		"version 9":         func(d *format.Promise) { d.Format = 9 },
		"belongs to daily/": func(d *format.Promise) { d.Tier = "daily" },
		"no time":           func(d *format.Promise) { d.Time = time.Time{} },
		"without an end":    func(d *format.Promise) { d.Until = nil },
		`for "daily"`:       func(d *format.Promise) { d.Stands = []string{"daily", "daily"} },
		`for "manual"`:      func(d *format.Promise) { d.Stands = []string{"manual"} },
	} {
		x := *format.NewPromise(n, p)
		broken(&x)
		if err := x.Check(n); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if format.NewPromise(n, p).Check(other) == nil {
		t.Error("the promise of another tier passes")
	}
}

func TestPolicyDocument(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		number := func(name string, least, most int) int { return rapid.IntRange(least, most).Draw(rt, name) }
		p := lifecycle.Policy{Daily: lifecycle.Keep{Count: number("daily", 1, 99), Slack: number("slack", 0, 9)}, Weekly: lifecycle.Keep{Count: number("weekly", 0, 9)},
			MaxChain: number("chain", 0, 9), MaxUpload: time.Duration(number("upload", 0, 99)) * time.Hour, Undo: number("undo", 0, 99), Restore: number("restore", 0, 9)}
		if p.Weekly.Count > 0 {
			p.Weekly.Move = lifecycle.Move{Days: number("move", 1, 30), Class: "COLD"}
		}
		if number("zone", 0, 1) == 1 {
			p.Zone, _ = time.LoadLocation("Europe/Berlin")
		}
		b, err := format.Seal(format.NewPolicy(p))
		if err != nil {
			rt.Fatal(err)
		}
		var d format.Policy
		if err := format.Unseal(b, &d); err != nil {
			rt.Fatal(err)
		}
		back, err := d.Lifecycle()
		if err != nil || !back.Equal(p) {
			rt.Errorf("read %+v, wrote %+v: %v", back, p, err)
		}
	})
	for name, broken := range map[string]func(d *format.Policy){
		"version 9":   func(d *format.Policy) { d.Format = 9 },
		"unknown":     func(d *format.Policy) { d.Zone = "Europe/Atlantis" },
		`of "manual"`: func(d *format.Policy) { d.Keep["manual"] = format.PolicyKeep{Count: 1} },
		`of "weekly"`: func(d *format.Policy) { d.Keep["weekly"] = format.PolicyKeep{Count: -1} },
		"days are":    func(d *format.Policy) { d.Days.MaxUpload = 0 },
		"nothing":     func(d *format.Policy) { d.Keep = nil },
	} {
		d := format.NewPolicy(lifecycle.Policy{Daily: lifecycle.Keep{Count: 3}})
		broken(d)
		if _, err := d.Lifecycle(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"00000000.json", "1.json", "0000001x.json", "00000001", "-0000001.json", "+0000001.json"} {
		if n, ok := format.ParsePolicyFile(name); ok {
			t.Errorf("%q is number %d", name, n)
		}
	}
	if n, ok := format.ParsePolicyFile(format.PolicyFile(123)); !ok || n != 123 {
		t.Errorf("number %d, %v", n, ok)
	}
}

// Whatever stands there, it is an error or a policy that can be written again.
func FuzzPolicy(f *testing.F) {
	n, p := promised(f)
	for _, doc := range []any{format.NewPolicy(lifecycle.Policy{Daily: lifecycle.Keep{Count: 3}}), format.NewPromise(n, p)} {
		b, err := format.Seal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d format.Policy
		if format.Unseal(b, &d) == nil {
			if p, err := d.Lifecycle(); err == nil {
				if back, err := format.NewPolicy(p).Lifecycle(); err != nil || !back.Equal(p) {
					t.Errorf("%+v became %+v: %v", p, back, err)
				}
			}
		}
		var promise format.Promise
		if format.Unseal(b, &promise) == nil && promise.Check(n) == nil {
			if again := format.NewPromise(n, promise.Lifecycle()); again.Check(n) != nil {
				t.Errorf("%+v became %+v", promise, again)
			}
		}
	})
}
