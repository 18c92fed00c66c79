package native_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/native"
)

// drawn is a rule of somebody's, as a person would think of it.
type drawn struct {
	prefix   string // none: all
	days     int
	from     time.Time // a date of S3's
	before   time.Time // createdBefore of GCS
	disabled bool
	older    bool // for older versions alone
	move     bool
}

func draw(rt *rapid.T, s lifecycle.Store) drawn {
	d := drawn{
		prefix:   rapid.SampledFrom([]string{"", "p", "prod/", "prod/daily/", "prod/daily/data/s/2", "prod/daily/catalog/", "prox", "logs/", "prod/weekly/data/a&b<"}).Draw(rt, "prefix"),
		days:     rapid.IntRange(1, 40).Draw(rt, "days"),
		disabled: rapid.IntRange(0, 5).Draw(rt, "disabled") == 0 && s != lifecycle.GCS,
		older:    rapid.IntRange(0, 4).Draw(rt, "older") == 0,
		move:     rapid.IntRange(0, 3).Draw(rt, "move") == 0,
	}
	date := time.Date(2026, 3, rapid.IntRange(1, 60).Draw(rt, "date"), 0, 0, 0, 0, time.UTC)
	switch rapid.IntRange(0, 3).Draw(rt, "by date") {
	case 0:
		if s == lifecycle.S3 && !d.older {
			d.from, d.days = date, 0
		}
	case 1:
		if s == lifecycle.GCS {
			d.before = date
		}
	}
	return d
}

// write is the rule in a store's language.
func (d drawn) write(s lifecycle.Store, n int) string {
	switch s {
	case lifecycle.GCS:
		action, conditions := `"Delete"`, []string{fmt.Sprintf(`"age":%d`, d.days)}
		if d.move {
			action += `,"storageClass":"X"`
			action = strings.Replace(action, "Delete", "SetStorageClass", 1)
		}
		if d.prefix != "" {
			conditions = append(conditions, fmt.Sprintf(`"matchesPrefix":[%q]`, d.prefix))
		}
		if !d.before.IsZero() {
			conditions = append(conditions, fmt.Sprintf(`"createdBefore":%q`, d.before.Format(time.DateOnly)))
		}
		if d.older {
			conditions = append(conditions, `"isLive":false`)
		}
		return fmt.Sprintf(`{"condition":{%s},"action":{"type":%s}}`, strings.Join(conditions, ","), action)
	case lifecycle.Azure:
		target, action := "baseBlob", "delete"
		if d.older {
			target = "version"
		}
		if d.move {
			action = "tierToCool"
		}
		return fmt.Sprintf(`{"enabled":%v,"name":"r%d","type":"Lifecycle","definition":{"filters":{"blobTypes":["blockBlob"],"prefixMatch":["backups/%s"]},`+
			`"actions":{%q:{%q:{"daysAfterCreationGreaterThan":%d.0}}}}}`, !d.disabled, n, d.prefix, target, action, d.days)
	default:
		element, class, status := "Expiration", "", "Enabled"
		if d.move {
			element, class = "Transition", "<StorageClass>X</StorageClass>"
		}
		when := fmt.Sprintf("<Days>%d</Days>", d.days)
		if d.older {
			element = map[string]string{"Expiration": "NoncurrentVersionExpiration", "Transition": "NoncurrentVersionTransition"}[element]
			when = fmt.Sprintf("<NoncurrentDays>%d</NoncurrentDays>", d.days)
		}
		if !d.from.IsZero() {
			when = "<Date>" + d.from.Format(time.RFC3339) + "</Date>"
		}
		if d.disabled {
			status = "Disabled"
		}
		prefix := strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(d.prefix)
		return fmt.Sprintf("<Rule><ID>r%d</ID><%[2]s>%[3]s%[4]s</%[2]s>\n<Filter><Prefix>%[5]s</Prefix></Filter><Status>%[6]s</Status></Rule>", n, element, when, class, prefix, status)
	}
}

// allows is the vendors' word on when the rule may first act on an object; it
// steps through the hours and never sees a document.
func (d drawn) allows(s lifecycle.Store, key string, created time.Time, move bool) (time.Time, bool) {
	if d.disabled || d.older || d.move != move || !strings.HasPrefix(key, d.prefix) || !d.before.IsZero() && created.Unix() >= d.before.Unix() {
		return time.Time{}, false
	}
	for now := created; now.Before(created.AddDate(0, 4, 0)); now = now.Add(30 * time.Minute) {
		old := now.Sub(created) >= time.Duration(d.days)*24*time.Hour
		if s == lifecycle.S3 {
			old = old && (now.Hour() == 0 && now.Minute() == 0 || d.days == 0 || now.Sub(created) >= time.Duration(d.days+1)*24*time.Hour)
		}
		if old && !now.Before(d.from) {
			return now, true
		}
	}
	return time.Time{}, false
}

// The evaluators say of random rules what the vendors say.
func TestEvaluatorsAgainstTheVendorsWords(t *testing.T) {
	for _, s := range stores() {
		t.Run(string(s), rapid.MakeCheck(func(rt *rapid.T) {
			var all []drawn
			var texts []string
			for i := range rapid.IntRange(0, 5).Draw(rt, "rules") {
				all = append(all, draw(rt, s))
				texts = append(texts, all[i].write(s, i))
			}
			r, err := native.Parse(native.Document{Store: s, Container: container(s), Body: document(s, texts...)})
			if err != nil {
				rt.Fatal(err)
			}
			room := rapid.SampledFrom([]string{"prod/daily/data/", "prod/daily/catalog/", "prod/weekly/data/"}).Draw(rt, "room")
			created := time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 2*24*40).Draw(rt, "created")) * 30 * time.Minute)
			for _, move := range []bool{false, true} {
				var want time.Time
				ever := false
				for _, d := range all {
					key := room
					if strings.HasPrefix(d.prefix, room) { // it is for some objects of the room
						key = d.prefix
					}
					if at, ok := d.allows(s, key, created, move); ok && (!ever || at.Before(want)) {
						want, ever = at, true
					}
				}
				got, by := r.Ruleset("prod").Earliest(room, created)
				if move {
					got, by = r.Ruleset("prod").Moved(room, created)
				}
				// A date that is past when the object comes acts at once.
				if (by != nil) != ever || ever && !got.Equal(want) && !(got.Before(created) && want.Equal(created)) {
					rt.Fatalf("move %v: %v by %v, want %v, %v\n%s", move, got, by, want, ever, r.Document().Body)
				}
			}
		}))
	}
}

// Whatever rules others have, ours come and go and leave theirs.
func TestMergeIsUndone(t *testing.T) {
	for _, s := range stores() {
		t.Run(string(s), rapid.MakeCheck(func(rt *rapid.T) {
			var texts []string
			for i := range rapid.IntRange(0, 6).Draw(rt, "rules") {
				texts = append(texts, draw(rt, s).write(s, i))
			}
			doc := native.Document{Store: s, Container: container(s), Body: document(s, texts...)}
			r, err := native.Parse(doc)
			if err != nil {
				rt.Fatal(err)
			}
			if len(r.Tiers("prod")) > 0 {
				return // on GCS a rule for exactly one of our prefixes is ours
			}
			p := lifecycle.Policy{Daily: lifecycle.Keep{Count: rapid.IntRange(1, 30).Draw(rt, "days")}, MaxChain: rapid.IntRange(0, 9).Draw(rt, "chain")}
			for _, rules := range [][]lifecycle.Rule{p.Rules(s), lifecycle.Policy{Weekly: lifecycle.Keep{Count: 3}}.Rules(s), nil} {
				if r, err = r.Merge("prod", rules); err != nil {
					rt.Fatal(err)
				}
				body := r.Document().Body
				at := 0
				for _, text := range texts {
					i := bytes.Index(body[at:], []byte(text))
					if i < 0 {
						rt.Fatalf("%s is gone or moved:\n%s", text, body)
					}
					at += i + len(text)
				}
				if len(body) > 0 {
					if r, err = native.Parse(r.Document()); err != nil {
						rt.Fatal(err)
					}
				}
				want := s.Ruleset("prod", rules)
				got := r.Ruleset("prod")
				if n := count(got); n != count(want) {
					rt.Fatalf("%d rules of ours remove something, want %d", n, count(want))
				}
			}
		}))
	}
}

func count(set lifecycle.Ruleset) (n int) {
	for _, e := range set.Effects {
		if e.Own && e.Removes() {
			n++
		}
	}
	return n
}
