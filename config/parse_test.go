package config_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/snapferry/snapferry/config"
)

var update = flag.Bool("update", false, "write testdata/bad.txtar again")

// environment is what ${…} finds in tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "EMPTY": "", "N": "7", "LEVEL": "best", "SECRET": "AGE-SECRET-KEY-1PLANTED",
		"WORD": "planted", "DIR": "/data/$x", "URL": "s3://me:planted@bucket", "LONG": strings.Repeat("x", 1<<19)}[name]
	return value, ok
}

// picky checks refuse what is called bad.
func picky() config.Checks {
	bad := func(s string) error {
		if strings.Contains(s, "bad") {
			return &config.Error{Op: "use", Name: s, Err: errors.New("it is bad"), Hint: "take a good one"}
		}
		return nil
	}
	return config.Checks{URL: bad, Source: bad, Setting: func(_, value string) error { return bad(value) },
		Series: func(name string) error {
			if strings.ToLower(name) != name {
				return errors.New("it has capitals")
			}
			return nil
		},
		Lock: func(v *config.Vault, tier string) error {
			if tier == "daily" && v.Lock[tier].Days > v.Retention.Daily {
				return fmt.Errorf("%d days are more than the %d that backups live", v.Lock[tier].Days, v.Retention.Daily)
			}
			return nil
		},
		Shown: func(url string) string { return strings.ReplaceAll(url, "private", "xxx") }}
}

func parse(data []byte) (*config.Config, error) {
	return config.Parse(data, config.Options{File: "f.yaml", Lookup: environment, Checks: picky()})
}

// show is what people see of an error.
func show(t *testing.T, err error) string {
	t.Helper()
	p, ok := errors.AsType[*config.Problems](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	if len(p.List) == 0 || !errors.Is(err, config.ErrInvalid) || p.UserHint() == "" {
		t.Fatalf("the error %v has no problem, no hint or no cause", err)
	}
	for _, one := range p.List {
		if one.Hint == "" {
			t.Errorf("no hint for %v", one)
		}
	}
	return p.Show("f.yaml")
}

// Each bad file is told with exactly these words. Nothing that is planted in
// one shows, neither there nor in the error itself.
func TestBadFiles(t *testing.T) {
	const path = "testdata/bad.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files)%2 != 0 || len(archive.Files) < 60 {
		t.Fatalf("%d files", len(archive.Files))
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, want := archive.Files[i], &archive.Files[i+1]
		if want.Name != strings.TrimSuffix(in.Name, ".yaml")+".want" {
			t.Fatalf("after %s comes %s", in.Name, want.Name)
		}
		_, err := parse([]byte(strings.ReplaceAll(string(in.Data), "<TAB>", "\t")))
		if err == nil {
			t.Errorf("%s is accepted", in.Name)
			continue
		}
		got := show(t, err)
		if strings.Contains(strings.ToLower(got+err.Error()), "planted") {
			t.Errorf("%s: the secret shows:\n%s", in.Name, got)
		}
		if *update {
			want.Data = []byte(got)
		} else if got != string(want.Data) {
			t.Errorf("%s:\n%s\nwant\n%s", in.Name, got, want.Data)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Files that no archive of texts can hold.
func TestBadBytes(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":        {"", "f.yaml: the file is empty"},
		"blank":        {"\n \n", "f.yaml: the file is empty"},
		"comment":      {"# x\n", "f.yaml: the file is empty"},
		"mark":         {"\ufeff", "f.yaml: the file is empty"},
		"not UTF-8":    {"vaults: {}\nx: \xff\n", "f.yaml:2:4: the file is not UTF-8 here"},
		"UTF-16":       {"v\x00a\x00", "f.yaml:1:2: the file has a control character here"},
		"escape":       {"a: \x1b[31m\n", "f.yaml:1:4: the file has a control character here"},
		"large":        {strings.Repeat("# x\n", 1<<18) + "x", "f.yaml: the file has more than 1024 KiB"},
		"many lines":   {strings.Repeat("# x\n", 20_000), "f.yaml: the file has more than 20000 lines"},
		"long line":    {"a: " + strings.Repeat("[", 500_000), "f.yaml:1:1: the line has more than 16 KiB"},
		"deep flow":    {"a: " + strings.Repeat("[", 5_000), "f.yaml:1:36: mappings and lists are more than 32 deep here"},
		"deep list":    {strings.Repeat("- ", 5_000), "f.yaml:1:65: mappings and lists are more than 32 deep here"},
		"deep keys":    {strings.Repeat("? ", 5_000), "f.yaml:1:65: mappings and lists are more than 32 deep here"},
		"deep block":   {deepBlock(200), "mappings and lists are more than 32 deep here"},
		"laughs":       {laughs(), "with its aliases the file holds more than 100000 values"},
		"wide aliases": {"a: &a [" + strings.Repeat("x,", 1000) + "x]\nb: [" + strings.Repeat("*a,", 1000) + "*a]\n", "f.yaml:2:299: b.99: with its aliases the file holds more than 100000 values"},
		"environment":  {"vaults: {v: {url: \"${LONG}${LONG}${LONG}\"}}", "f.yaml:1:19: vaults.v.url: the environment adds more than 1024 KiB"},
	} {
		_, err := parse([]byte(c.in))
		if err == nil {
			t.Errorf("%s is accepted", name)
			continue
		}
		if all := show(t, err); !strings.Contains(all, c.want) {
			t.Errorf("%s: %.300s\nwant %s", name, all, c.want)
		}
	}
	if c, err := parse([]byte("\ufeffvaults: {v: {url: /x}}\r\n")); err != nil || c.Vault("v").URL != "/x" {
		t.Errorf("a mark and CRLF: %v, %v", c, err)
	}
}

func deepBlock(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// laughs is a billion of them.
func laughs() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		text += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	return text
}

const full = `
version: 1
defaults: {level: best, workers: 4, max_memory: 1GiB, retries: 0}
vaults:
  offsite:
    url: s3://bucket/prod?region=eu-west-1
    retention: {hourly: 24, daily: 14, weekly: 8, monthly: 12, yearly: 3}
    zone: Europe/Berlin
    encrypt: {age: [age1qqqqqqqqqqqqqqq, "ssh-ed25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAA me@host"], passphrase: env:X}
    identities: [file:/etc/key.txt, command: [pass, show, "a b"], "command:pass 'c d'"]
    sign: {key: "file:${NAME}/sign", signers: ["ssh-ed25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAA"]}
    lock: {daily: {mode: governance, days: 14}, monthly: {mode: compliance, days: 30}}
    versions: true
  local: &local
    url: ${DIR}/$$y
  again:
    <<: *local
    zone: UTC
jobs:
  graph:
    source: neo4j+dump:///neo4j?home=/opt/neo4j
    vaults: [offsite, local]
    schedule: "*/5 0-6,22 1 jan-dec mon"
    zone: America/New_York
    tier: daily
    series: g
    allow_empty: true
    level: ${LEVEL:-better}
    uploads: ${N}
    bandwidth: ${EMPTY:-20MB}
    deadline: 1h30m
    max_memory: 268435456
  files:
    source: ${NONE:-/data}
    vaults: [local]
`

func TestParse(t *testing.T) {
	c, err := parse([]byte(full))
	if err != nil {
		t.Fatal(show(t, err))
	}
	v := c.Vault("offsite")
	if v.URL != "s3://bucket/prod?region=eu-west-1" || v.Retention != (config.Retention{Hourly: 24, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 3}) ||
		v.Zone != "Europe/Berlin" || len(v.Encrypt.Age) != 2 || v.Encrypt.Passphrase.String() != "env:X" || !v.Versions ||
		fmt.Sprint(v.Identities) != "[file:/etc/key.txt command:pass … command:pass …]" || v.Sign.Key.String() != "file:value/sign" || len(v.Sign.Signers) != 1 ||
		!reflect.DeepEqual(v.Lock, map[string]config.Lock{"daily": {Mode: "governance", Days: 14}, "monthly": {Mode: "compliance", Days: 30}}) {
		t.Errorf("the vault is %+v", v)
	}
	if got := c.Vault("again"); got.URL != "/data/$x/$y" || got.Zone != "UTC" {
		t.Errorf("the merged vault is %+v", got)
	}
	j, err := c.Job("graph")
	if err != nil || j.Source != "neo4j+dump:///neo4j?home=/opt/neo4j" || fmt.Sprint(j.Vaults) != "[offsite local]" || j.Schedule == "" || j.Zone != "America/New_York" ||
		j.Tier != "daily" || j.Series != "g" || !j.AllowEmpty {
		t.Errorf("the job is %+v, %v", j, err)
	}
	want := map[string]string{"level": "best", "uploads": "7", "bandwidth": "20MB", "deadline": "1h30m", "max_memory": "268435456", "workers": "4", "retries": "0"}
	if got := texts(c.SettingsOf(j)); !reflect.DeepEqual(got, want) {
		t.Errorf("its settings are %v, want %v", got, want)
	}
	other, err := c.Job("files")
	if err != nil || other.Series != "files" || other.Source != "/data" || other.Tier != "" || !reflect.DeepEqual(texts(c.SettingsOf(other)), texts(c.Defaults)) {
		t.Errorf("the other job is %+v, %v", other, err)
	}
	_, err = c.Job("grap")
	if e, ok := errors.AsType[*config.Error](err); !ok || !errors.Is(err, config.ErrInvalid) || !strings.HasPrefix(e.Hint, "did you mean graph?") {
		t.Errorf("a job that is not there gives %v", err)
	}
}

func texts(all config.Settings) map[string]string {
	m := map[string]string{}
	for _, s := range all {
		m[s.Key] = s.Value
	}
	return m
}

// The work grows with the file, and no faster: twice the jobs take about twice
// the memory, with mistakes and without.
func TestManyJobs(t *testing.T) {
	file := func(n int, format string) []byte {
		var b strings.Builder
		b.WriteString("vaults:\n")
		for i := range n {
			fmt.Fprintf(&b, "  vault%d: {url: /x}\n", i)
		}
		b.WriteString("jobs:\n")
		for i := range n {
			fmt.Fprintf(&b, format, i, i, i)
		}
		return []byte(b.String())
	}
	for _, format := range []string{
		"  job%d:\n    source: /data/%d\n    vaults: [vault%d]\n    schedule: \"0 3 * * *\"\n    tier: daily\n    retries: 3\n",
		"  job%d:\n    source: /data/%d\n    vaults: [valt%d]\n    schedul: \"0 3 * * *\"\n    tier: dayly\n    retries: many\n",
	} {
		count := func(n int) float64 {
			data := file(n, format)
			return testing.AllocsPerRun(1, func() {
				c, err := parse(data)
				if p, bad := errors.AsType[*config.Problems](err); bad && len(p.List)+p.Omitted != 4*n || !bad && len(c.Jobs) != n {
					t.Fatalf("%d jobs give %v", n, err)
				}
			})
		}
		if half, all := count(500), count(1000); all > 2.2*half {
			t.Errorf("500 jobs take %.0f allocations, 1,000 %.0f", half, all)
		}
	}
}
