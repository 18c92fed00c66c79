package native_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/native"
)

var update = flag.Bool("update", false, "write the documents in testdata again")

func stores() []lifecycle.Store {
	return []lifecycle.Store{lifecycle.S3, lifecycle.GCS, lifecycle.Azure}
}

// class is a storage class of a store.
func class(s lifecycle.Store) string {
	return map[lifecycle.Store]string{lifecycle.S3: "GLACIER_IR", lifecycle.GCS: "COLDLINE", lifecycle.Azure: "Cold"}[s]
}

// policies are three that users have: the usual one, one with chains and cold
// data, and one of weeks alone.
func policies(t *testing.T, s lifecycle.Store) map[string]lifecycle.Policy {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	keep := func(n int) lifecycle.Keep { return lifecycle.Keep{Count: n} }
	return map[string]lifecycle.Policy{
		"usual": {Daily: keep(14), Weekly: keep(8), Monthly: keep(12), Yearly: keep(3)},
		"chains": {Hourly: keep(48), Daily: lifecycle.Keep{Count: 30, Slack: 2},
			Monthly: lifecycle.Keep{Count: 24, Move: lifecycle.Move{Days: 35, Class: class(s)}}, Zone: berlin, MaxChain: 7, Undo: 30, Restore: 3},
		"weeks": {Weekly: keep(4)},
	}
}

func rootOf(policy string) string {
	return map[string]string{"usual": "neo4j/prod", "chains": "prod", "weeks": ""}[policy]
}

func container(s lifecycle.Store) string {
	if s == lifecycle.Azure {
		return "backups"
	}
	return ""
}

// The documents of three policies are as they were, and say to whoever reads
// them what the policy says.
func TestGoldenDocuments(t *testing.T) {
	for _, s := range stores() {
		for name, p := range policies(t, s) {
			rules, root := p.Rules(s), rootOf(name)
			doc, err := native.Render(s, container(s), root, rules)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, fmt.Sprintf("%s-%s%s", s, name, map[lifecycle.Store]string{lifecycle.S3: ".xml"}[s]), doc.Body)
			tf, err := native.Terraform(s, container(s), root, rules)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, fmt.Sprintf("%s-%s.tf", s, name), tf)

			read := parse(t, doc)
			wantSame(t, s, root, read.Ruleset(root), s.Ruleset(root, rules))
			for _, e := range read.Ruleset(root).Effects {
				if !e.Own || e.Partial {
					t.Errorf("%s %s: %+v is not wholly ours", s, name, e)
				}
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if filepath.Ext(name) == "" {
		name += ".json"
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v):\n%s", path, err, got)
	}
}

func parse(t testing.TB, doc native.Document) *native.Rules {
	t.Helper()
	r, err := native.Parse(doc)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc.Body)
	}
	return r
}

// wantSame compares what two rulesets do in every room.
func wantSame(t *testing.T, s lifecycle.Store, root string, got, want lifecycle.Ruleset) {
	t.Helper()
	created := time.Date(2026, 3, 28, 22, 30, 0, 0, time.UTC)
	for _, tier := range lifecycle.Tiers() {
		for _, room := range []lifecycle.Room{lifecycle.Catalog, lifecycle.Data} {
			prefix := lifecycle.Prefix(root, tier, room)
			for _, when := range []func(lifecycle.Ruleset) (time.Time, *lifecycle.Effect){
				func(r lifecycle.Ruleset) (time.Time, *lifecycle.Effect) { return r.Earliest(prefix, created) },
				func(r lifecycle.Ruleset) (time.Time, *lifecycle.Effect) { return r.Moved(prefix, created) },
			} {
				a, by := when(got)
				b, want := when(want)
				if !a.Equal(b) || (by == nil) != (want == nil) || by != nil && by.Class != want.Class {
					t.Errorf("%s %s: %v by %v, want %v by %v", s, prefix, a, by, b, want)
				}
			}
		}
	}
}

// foreign are rules of other people's, with what nobody here knows among them.
func foreign(s lifecycle.Store) []string {
	switch s {
	case lifecycle.GCS:
		return []string{
			`{"action":{"type":"Delete"},"condition":{"age":30,"matchesPrefix":["logs/"]}}`,
			"{ \"action\" : {\"type\":\"SetStorageClass\",\"storageClass\":\"NEARLINE\"},\n\t\"condition\":{\"age\":31,\"matchesPattern\":\".*\\\\.log\",\"sizeAboveBytes\":\"5\"} }",
			`{"action":{"type":"Delete"},"condition":{"matchesPrefix":["neo4j/prod/daily/catalog/","tmp/"],"age":3}}`,
			`{"action":{"type":"Delete"},"condition":{"numNewerVersions":3}}`,
			`{"action":{"type":"Shred","times":3},"condition":{"age":1e1}}`,
		}
	case lifecycle.Azure:
		return []string{
			`{"name":"logs","enabled":true,"type":"Lifecycle","definition":{"filters":{"blobTypes":["appendBlob"]},"actions":{"baseBlob":{"delete":{"daysAfterModificationGreaterThan":7.0}}}}}`,
			`{"definition":{"actions":{"baseBlob":{"tierToArchive":{"daysAfterLastAccessTimeGreaterThan":90}}},"filters":{"prefixMatch":["other/x"],"blobTypes":["blockBlob"]}},"name":"other","type":"Lifecycle"}`,
			`{ "name" : "off", "enabled":false,"type":"Lifecycle","definition":{"filters":{"blobTypes":["blockBlob"]},"actions":{"baseBlob":{"delete":{}}}},"new":[ 1 ] }`,
		}
	default:
		return []string{
			`<Rule><ID>logs</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule>`,
			"<!-- of ours --><Rule>\n  <Filter><And><Prefix>a &amp; b/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status>\n<Transition><Days>3</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition></Rule>",
			`<Rule><ID>new</ID><Prefix></Prefix><Status>Enabled</Status><EventHold unit="days">3</EventHold></Rule>`,
			`<Rule><ID>off</ID><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>`,
		}
	}
}

// document puts rules together as stores and people write them.
func document(s lifecycle.Store, rules ...string) []byte {
	switch s {
	case lifecycle.GCS:
		return []byte("{\"rule\": [" + strings.Join(rules, ",\n  ") + "] }\n")
	case lifecycle.Azure:
		return []byte("{\n  \"rules\":[" + strings.Join(rules, " , ") + "],\"more\":{\"a\":1}\n}")
	default:
		return []byte("<?xml version=\"1.0\"?>\n<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n" +
			strings.Join(rules, "\n") + "\n<!-- end --></LifecycleConfiguration>")
	}
}

// What is not ours stays byte for byte, whatever happens to ours.
func TestForeignRulesStay(t *testing.T) {
	for _, s := range stores() {
		t.Run(string(s), func(t *testing.T) {
			p := policies(t, s)["usual"]
			root := "neo4j/prod"
			before := parse(t, native.Document{Store: s, Container: container(s), Body: document(s, foreign(s)...)})
			merged := merge(t, before, root, p.Rules(s))
			wantForeign(t, s, merged)
			if again := merge(t, parse(t, merged.Document()), root, p.Rules(s)); !bytes.Equal(again.Document().Body, merged.Document().Body) {
				t.Error("the second merge changed something")
			}
			other := merge(t, merged, "other", p.Rules(s)) // a second vault in the same bucket
			p.Daily.Count, p.Weekly.Count = 20, 0
			changed := merge(t, other, root, p.Rules(s))
			wantForeign(t, s, changed)
			if diff := other.Diff(changed); len(diff) == 0 || slices.ContainsFunc(diff, func(c native.Change) bool { return c.Rule == "logs" }) {
				t.Errorf("differences %+v", diff)
			}
			mine := changed.Ruleset("other")
			mine.Effects = slices.DeleteFunc(mine.Effects, func(e lifecycle.Effect) bool { return !e.Own })
			wantSame(t, s, "other", mine, s.Ruleset("other", policies(t, s)["usual"].Rules(s)))
			gone := merge(t, merge(t, changed, root, nil), "other", nil)
			wantForeign(t, s, gone)
			if gone.Len() != len(foreign(s)) || len(before.Diff(gone)) != 0 {
				t.Errorf("%d rules are left:\n%s", gone.Len(), gone.Document().Body)
			}
		})
	}
}

func merge(t testing.TB, r *native.Rules, root string, rules []lifecycle.Rule, keep ...lifecycle.Tier) *native.Rules {
	t.Helper()
	m, err := r.Merge(root, rules, keep...)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, m.Document())
}

func wantForeign(t *testing.T, s lifecycle.Store, r *native.Rules) {
	t.Helper()
	body := string(r.Document().Body)
	at := 0
	for _, raw := range foreign(s) {
		i := strings.Index(body[at:], raw)
		if i < 0 {
			t.Fatalf("%s is not there, or not in its place:\n%s", raw, body)
		}
		at += i
	}
}

// One policy of Azure is for all containers of an account: vaults with the same
// prefix in two of them do not overwrite each other's rules.
func TestContainersOfAnAccount(t *testing.T) {
	p := policies(t, lifecycle.Azure)["usual"]
	other := p
	other.Daily.Count = 30
	in := func(container string, body []byte) *native.Rules {
		return parse(t, native.Document{Store: lifecycle.Azure, Container: container, Body: body})
	}
	first := merge(t, in("one", document(lifecycle.Azure, foreign(lifecycle.Azure)...)), "prod", p.Rules(lifecycle.Azure))
	both := merge(t, in("two", first.Document().Body), "prod", other.Rules(lifecycle.Azure))
	for container, want := range map[string]lifecycle.Policy{"one": p, "two": other} {
		wantSame(t, lifecycle.Azure, "prod", in(container, both.Document().Body).Ruleset("prod"), lifecycle.Azure.Ruleset("prod", want.Rules(lifecycle.Azure)))
	}
	again := merge(t, in("one", both.Document().Body), "prod", p.Rules(lifecycle.Azure))
	if !bytes.Equal(again.Document().Body, both.Document().Body) {
		t.Error("the rules of the first vault are not those it wrote")
	}
	gone := merge(t, in("one", both.Document().Body), "prod", nil)
	wantSame(t, lifecycle.Azure, "prod", in("two", gone.Document().Body).Ruleset("prod"), lifecycle.Azure.Ruleset("prod", other.Rules(lifecycle.Azure)))
}

// A retired tier keeps its rules as long as it is told to.
func TestRetiredTierKeepsItsRules(t *testing.T) {
	for _, s := range stores() {
		p := policies(t, s)["usual"]
		none := parse(t, native.Document{Store: s, Container: container(s)})
		full := merge(t, none, "prod", p.Rules(s))
		p.Yearly.Count, p.Monthly.Count = 0, 6
		p.Daily = lifecycle.Keep{}
		p.Weekly = lifecycle.Keep{}
		kept := merge(t, full, "prod", p.Rules(s), lifecycle.Daily, lifecycle.Monthly)
		if got := fmt.Sprint(kept.Tiers("prod")); got != "[daily monthly yearly]" && got != "[daily monthly]" {
			t.Errorf("%s: tiers %s", s, got)
		}
		prefix := lifecycle.Prefix("prod", lifecycle.Daily, lifecycle.Catalog)
		was, _ := full.Ruleset("prod").Earliest(prefix, time.Unix(0, 0))
		if is, by := kept.Ruleset("prod").Earliest(prefix, time.Unix(0, 0)); by == nil || !is.Equal(was) {
			t.Errorf("%s: %v by %v, want %v", s, is, by, was)
		}
	}
}

// What rules may do, by the words of the vendors.
func TestReading(t *testing.T) {
	created := time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)
	at := func(days int) time.Time { return created.Add(time.Duration(days) * 24 * time.Hour) }
	never := time.Time{}
	for _, test := range []struct {
		store   lifecycle.Store
		rule    string
		removed time.Time // of prod/daily/data/x
		moved   time.Time
		partial bool
	}{
		{lifecycle.S3, `<Rule><Filter/><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>`, time.Date(2026, 1, 19, 0, 0, 0, 0, time.UTC), never, false},
		{lifecycle.S3Compatible, `<Rule><Filter/><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>`, at(3), never, false},
		{lifecycle.S3, `<Rule><Prefix>prod/da</Prefix><Status>Enabled</Status><Expiration><Date>2026-02-01T00:00:00Z</Date></Expiration></Rule>`, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), never, false},
		{lifecycle.S3, `<Rule><Prefix>prod/weekly/</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>`, never, never, false},
		{lifecycle.S3, `<Rule><Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><Status>Enabled</Status><Expiration><Days>15</Days></Expiration></Rule>`, time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), never, true},
		{lifecycle.S3, `<Rule><Filter/><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>`, never, never, false},
		{lifecycle.S3Compatible, `<Rule><Filter/><Status>Enabled</Status><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>`, never, at(30), false},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"age":7}}`, at(7), never, false},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{}}`, at(0), never, false},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"createdBefore":"2026-01-15"}}`, never, never, false},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"createdBefore":"2026-01-16","age":2}}`, at(2), never, false},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"age":7,"isLive":false}}`, never, never, false},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"age":7,"isLive":true,"matchesStorageClass":["STANDARD"]}}`, at(7), never, true},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"daysSinceCustomTime":7,"age":9}}`, at(9), never, true},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"moonPhase":"full"}}`, at(0), never, true},
		{lifecycle.GCS, `{"action":{"type":"Delete"},"condition":{"age":7,"matchesPrefix":["x/","prod/daily/"]}}`, at(7), never, false},
		{lifecycle.GCS, `{"action":{"type":"SetStorageClass","storageClass":"ARCHIVE"},"condition":{"age":365}}`, never, at(365), false},
		{lifecycle.Azure, azureRule(`"delete":{"daysAfterCreationGreaterThan":7}`, ``), at(7), never, false},
		{lifecycle.Azure, azureRule(`"delete":{"daysAfterModificationGreaterThan":7.9,"daysAfterLastTierChangeGreaterThan":7}`, ``), at(7), never, true},
		{lifecycle.Azure, azureRule(`"delete":{"daysAfterLastAccessTimeGreaterThan":20}`, `,"prefixMatch":["back"]`), at(20), never, true},
		{lifecycle.Azure, azureRule(`"delete":{"daysAfterCreationGreaterThan":7}`, `,"prefixMatch":["backup/prod","backups/prod/daily/data/s"]`), at(7), never, false},
		{lifecycle.Azure, azureRule(`"delete":{"daysAfterCreationGreaterThan":7}`, `,"prefixMatch":["backups2/","other"]`), never, never, false},
		{lifecycle.Azure, azureRule(`"tierToArchive":{"daysAfterCreationGreaterThan":7}`, `,"blobIndexMatch":[{"name":"a","op":"==","value":"b"}]`), never, at(7), true},
	} {
		set := parse(t, native.Document{Store: test.store, Container: container(test.store), Body: document(test.store, test.rule)}).Ruleset("prod")
		removed, by := set.Earliest("prod/daily/data/", created)
		moved, mover := set.Moved("prod/daily/data/", created)
		if !removed.Equal(test.removed) || !moved.Equal(test.moved) || (by != nil && by.Partial || mover != nil && mover.Partial) != test.partial {
			t.Errorf("%s\nremoved %v by %+v, want %v; moved %v by %+v, want %v", test.rule, removed, by, test.removed, moved, mover, test.moved)
		}
	}
}

func azureRule(action, filter string) string {
	return `{"name":"r","type":"Lifecycle","definition":{"filters":{"blobTypes":["blockBlob"]` + filter + `},"actions":{"baseBlob":{` + action + `}}}}`
}

func TestUnknownActionsAreNamed(t *testing.T) {
	for s, want := range map[lifecycle.Store]string{lifecycle.S3: "new: EventHold", lifecycle.GCS: "rule 5: Shred", lifecycle.Azure: "z: shred"} {
		rules := foreign(s)
		if s == lifecycle.Azure {
			rules = append(rules, strings.Replace(azureRule(`"shred":{}`, ""), `"r"`, `"z"`, 1))
		}
		r := parse(t, native.Document{Store: s, Container: container(s), Body: document(s, rules...)})
		if got := strings.Join(r.Unknown(), "; "); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, test := range []struct {
		store lifecycle.Store
		body  string
		say   string
	}{
		{lifecycle.S3, "<", "ends too early"},
		{lifecycle.S3, "<Other></Other>", "root is Other"},
		{lifecycle.S3, "<LifecycleConfiguration><Rule></LifecycleConfiguration>", "Rule"},
		{lifecycle.S3, "<LifecycleConfiguration><Rule><ID>x</ID><Expiration><Days>soon</Days></Expiration></Rule></LifecycleConfiguration>", `x: Expiration: "soon" are no days`},
		{lifecycle.GCS, "[]", "[ where { belongs"},
		{lifecycle.GCS, `{"rule":[{}]`, "unexpected EOF"},
		{lifecycle.GCS, `{"rule":[],"rule":[]}`, "twice"},
		{lifecycle.GCS, `{"rule":[]} x`, "follows its end"},
		{lifecycle.GCS, `{"rule":[{"action":{"type":"Delete"},"condition":{"age":-1}}]}`, "rule 1: age: -1 are no days"},
		{lifecycle.GCS, `{"rule":[{"action":{"type":"SetStorageClass"}}]}`, "without a class"},
		{lifecycle.Azure, `{"rules":[{"name":"x","definition":{"filters":{"prefixMatch":"a"}}}]}`, "x: prefixMatch"},
		{lifecycle.Azure, `{"rules":[3]}`, "rule 1"},
	} {
		_, err := native.Parse(native.Document{Store: test.store, Container: "c", Body: []byte(test.body)})
		if !errors.Is(err, native.ErrMalformed) || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %v, want %q", test.body, err, test.say)
		}
	}
	if _, err := native.Parse(native.Document{Store: lifecycle.NoRules}); !errors.Is(err, native.ErrNoRules) {
		t.Errorf("a folder: %v", err)
	}
}

// Too many rules are refused before the store does so.
func TestLimits(t *testing.T) {
	for s, limit := range map[lifecycle.Store]int{lifecycle.S3: 1000, lifecycle.GCS: 100, lifecycle.Azure: 100} {
		var many []string
		for i := range limit {
			many = append(many, strings.Replace(foreign(s)[0], "logs", fmt.Sprintf("logs%d", i), 1))
		}
		r := parse(t, native.Document{Store: s, Container: container(s), Body: document(s, many...)})
		_, err := r.Merge("prod", policies(t, s)["weeks"].Rules(s))
		if want := fmt.Sprintf("with %d of other people's, and it takes %d", limit, limit); !errors.Is(err, native.ErrTooMany) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", s, err)
		}
	}
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 90, Move: lifecycle.Move{Days: 30, Class: "GLACIER"}}}
	if _, err := native.Render(lifecycle.Azure, "c", "", p.Rules(lifecycle.Azure)); !errors.Is(err, native.ErrClass) || !strings.Contains(err.Error(), "Cool, Cold and Archive") {
		t.Errorf("a class of S3 on Azure: %v", err)
	}
}

func TestDiff(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 14}}
	none := parse(t, native.Document{Store: lifecycle.S3})
	first := merge(t, none, "prod", p.Rules(lifecycle.S3))
	p.Daily.Count = 7
	second := merge(t, first, "prod", p.Rules(lifecycle.S3))
	diff := first.Diff(second)
	if len(diff) != 8 || len(diff[0].Was) != 2 || diff[0].Was[0] != `remove after 15 days in "prod/daily/catalog/"` || diff[0].Is[0] != `remove after 8 days in "prod/daily/catalog/"` {
		t.Errorf("differences %q", diff)
	}
	if added := none.Diff(first); len(added) != 18 || added[0].Was != nil || added[1].Is[0] != "clean up" {
		t.Errorf("from nothing: %q", added)
	}
	if removed := first.Diff(none); len(removed) != 18 || removed[0].Is != nil {
		t.Errorf("to nothing: %q", removed)
	}
}

func FuzzS3(f *testing.F)    { fuzz(f, lifecycle.S3) }
func FuzzGCS(f *testing.F)   { fuzz(f, lifecycle.GCS) }
func FuzzAzure(f *testing.F) { fuzz(f, lifecycle.Azure) }

// fuzz: no document breaks the parser; of one that it takes, nothing foreign
// changes, and what was merged is read again as what it was meant to be.
func fuzz(f *testing.F, s lifecycle.Store) {
	f.Add(document(s, foreign(s)...))
	f.Add(document(s))
	if s == lifecycle.S3 {
		f.Add([]byte("<LifecycleConfiguration/>"))
	} else {
		f.Add([]byte(`{"a":[1,{"rule":[]}]}`))
	}
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 14}}
	rules := p.Rules(s)
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := native.Parse(native.Document{Store: s, Container: "backups", Body: body})
		if err != nil || r.Len() > 90 || len(r.Tiers("prod")) > 0 {
			return
		}
		merged, err := r.Merge("prod", rules)
		if err != nil {
			t.Fatal(err)
		}
		read, err := native.Parse(merged.Document())
		if err != nil {
			t.Fatalf("%v\n%s", err, merged.Document().Body)
		}
		if diff := merged.Diff(read); len(diff) != 0 {
			t.Errorf("read again it differs: %+v", diff)
		}
		back, err := read.Merge("prod", nil)
		if err != nil || len(r.Diff(back)) != 0 || back.Len() != r.Len() {
			t.Errorf("foreign rules changed (%v):\n%q\n%q", err, body, back.Document().Body)
		}
		if r.Len() > 0 && s != lifecycle.S3 && !bytes.Equal(back.Document().Body, r.Document().Body) {
			t.Errorf("bytes changed:\n%q\n%q", r.Document().Body, back.Document().Body)
		}
	})
}
