package config_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/snapferry/snapferry/config"
)

// printed are the values of a configuration as it is printed.
func printed(c *config.Config) string {
	var b strings.Builder
	for line := range strings.Lines(c.Print(nil)) {
		text, _, _ := strings.Cut(line, "  # ")
		if !strings.HasPrefix(text, "# ") {
			b.WriteString(strings.TrimRight(text, "\n") + "\n")
		}
	}
	return b.String()
}

// checkPrinted parses what was printed, which must say the same.
func checkPrinted(t rapidTB, c *config.Config) {
	text := c.Print(nil)
	again, err := config.Parse([]byte(text), config.Options{File: "f.yaml", Lookup: environment})
	if err != nil {
		t.Fatalf("what was printed is refused: %v\n%s", err, text)
	}
	if first, second := printed(c), printed(again); first != second {
		t.Fatalf("printed\n%s\nand again\n%s", first, second)
	}
	if len(c.Vaults) != len(again.Vaults) || len(c.Jobs) != len(again.Jobs) {
		t.Fatalf("vaults or jobs are lost in\n%s", text)
	}
	for i, v := range c.Vaults {
		if !reflect.DeepEqual(normal(*v), normal(*again.Vaults[i])) {
			t.Fatalf("%#v\nis read back as\n%#v", *v, *again.Vaults[i])
		}
	}
	for i, j := range c.Jobs {
		got := *again.Jobs[i]
		want := *j
		want.Settings, got.Settings = nil, nil
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%+v\nis read back as\n%+v", want, got)
		}
		settings := texts(again.SettingsOf(again.Jobs[i]))
		for _, s := range c.SettingsOf(j) {
			if settings[s.Key] != s.Value {
				t.Fatalf("%s of %s is read back as %s", s.Key, s.Value, settings[s.Key])
			}
		}
	}
}

// normal has the defaults that are printed.
func normal(v config.Vault) config.Vault {
	if v.Zone == "" {
		v.Zone = "UTC"
	}
	if len(v.Lock) == 0 {
		v.Lock = nil
	}
	if len(v.Transitions) == 0 {
		v.Transitions = nil
	}
	if v.MaxUpload == "" {
		v.MaxUpload = "72h"
	}
	v.Undo, v.RestoreDays = cmp.Or(v.Undo, 14), cmp.Or(v.RestoreDays, 1)
	return v
}

type rapidTB interface {
	Fatalf(format string, args ...any)
}

// A private key of age is known by its looks; what comes after them must not
// show, whatever the file is like otherwise.
var planted = regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]{8,}`)

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	archive, err := txtar.ParseFile("testdata/bad.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, ".yaml") {
			f.Add([]byte(strings.ReplaceAll(string(file.Data), "PLANTED", "PLANTEDPLANTED")))
		}
	}
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data, config.Options{Lookup: environment})
		if err != nil {
			p, ok := errors.AsType[*config.Problems](err)
			if !ok {
				t.Fatalf("the error is %v", err)
			}
			shown := fmt.Sprint(err, p.UserHint(), p.Show("f.yaml"))
			for _, secret := range planted.FindAllString(string(data), -1) {
				if strings.Contains(shown, secret) {
					t.Fatalf("%s shows in\n%s", secret, shown)
				}
			}
			return
		}
		if planted.Match(data) {
			t.Fatalf("a secret in plain text is accepted")
		}
		checkPrinted(t, c)
		if err := validate(schema, data); err != nil {
			t.Fatalf("the schema refuses what is accepted: %v", err)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	for _, s := range []string{"env:A", "file:/x", "command:a 'b c' \"d\"", "command:a \\", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		secret, err := config.ParseSecret(s)
		if (err == nil) == secret.IsZero() {
			t.Fatalf("%q gives %v, %v", s, secret, err)
		}
		if err != nil && len(s) > 12 && strings.Contains(err.Error(), s) {
			t.Fatalf("%q shows in %v", s, err)
		}
	})
}

// Whatever is wrong elsewhere, what stands where a secret belongs is not shown.
func TestSecretsNeverShow(t *testing.T) {
	keys := []string{"passphrase", "pasphrase", "passphrases", "Passphrase"}
	rapid.Check(t, func(r *rapid.T) {
		secret := "hunter" + rapid.StringMatching(`[a-z0-9]{6,20}`).Draw(r, "secret")
		form := rapid.SampledFrom([]string{"%s", "'%s'", "\"%s\"", "*%s", "&%s", "!%s", "@%s", "[%s]", "{%s: 1}", "{a: %s}", "\"%s", "env:%s x", "file:", "|\n          %s",
			">\n          a\n          %s", "a\n          %s", "- %s", "%s: x", "$%s", "env:-%s", "1 # %s"}).Draw(r, "form")
		place := rapid.SampledFrom([]string{
			"encrypt: {" + rapid.SampledFrom(keys).Draw(r, "key") + ": VALUE}",
			"encrypt:\n      " + rapid.SampledFrom(keys).Draw(r, "key") + ": VALUE",
			"encrypt: VALUE", "encrypt: {age: [VALUE]}", "encrypt: {age: VALUE}", "sign: {key: VALUE}", "sign: VALUE", "sign: {signers: [VALUE]}",
			"identities: [VALUE]", "identities: VALUE", "identities:\n      - VALUE", "identities: [{command: VALUE}]", "identities: [{command: [VALUE, 3]}]",
			"identity: VALUE", "secret: [a, VALUE]", "# VALUE"}).Draw(r, "place")
		if strings.HasSuffix(place, "n: VALUE") || strings.HasSuffix(place, "t: VALUE") && !strings.HasPrefix(place, "secret") {
			form = strings.NewReplacer("{%s: 1}", "%s", "%s: x", "%s").Replace(form) // keys do show where there are some
		}
		value := form
		if strings.Contains(form, "%s") {
			value = fmt.Sprintf(form, secret)
		}
		mistake := rapid.SampledFrom([]string{"", ", zone: nowhere", "\n    zone: nowhere", "\n    urll: x", "\n\tx: y", "\n    url: /y", " # x"}).Draw(r, "mistake")
		file := "vaults:\n  v:\n    url: /x\n    " + strings.ReplaceAll(place, "VALUE", value) + mistake + "\n"
		_, err := config.Parse([]byte(file), config.Options{File: "f.yaml", Lookup: environment})
		if err == nil {
			return
		}
		p, ok := errors.AsType[*config.Problems](err)
		if !ok {
			r.Fatalf("the error is %v", err)
		}
		if shown := fmt.Sprint(err, p.UserHint(), p.Show("f.yaml")); strings.Contains(shown, secret) {
			r.Fatalf("%s shows in\n%s\nof\n%s", secret, shown, file)
		}
	})
}

// What is printed says what was read.
func TestPrintedSaysTheSame(t *testing.T) {
	c, err := parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	checkPrinted(t, c)
	words := rapid.SampledFrom([]string{"/data", "a b", "x: y", "# x", "- a", "[a]", "$$x", "true", "12", "~", "null", "'", `"`, "é", "a, b", "{", "*a", "&a", "@", "0x10", "a\\b", "tab\\tx", "1.5", "::", "<<", "?", "|"})
	rapid.Check(t, func(r *rapid.T) {
		quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
		file := fmt.Sprintf("defaults: {host: %s}\nvaults:\n  v: {url: %s, identities: [%s, {command: [%s, %s]}]}\njobs:\n  j: {source: %s, vaults: [v], temp_dir: %s}\n",
			quote(words.Draw(r, "host")), quote(words.Draw(r, "url")), quote("file:"+words.Draw(r, "file")), quote(words.Draw(r, "program")), quote(words.Draw(r, "argument")),
			quote(words.Draw(r, "source")), quote(words.Draw(r, "dir")))
		c, err := config.Parse([]byte(file), config.Options{Lookup: environment})
		if err != nil {
			r.Fatalf("%v\n%s", err, file)
		}
		checkPrinted(r, c)
	})
}

// Flags go before the file; what may be private in a URL is not printed.
func TestPrint(t *testing.T) {
	c, err := parse([]byte("defaults: {level: best}\nvaults: {v: {url: \"s3://b?x=private\"}}\njobs: {j: {source: /x, vaults: [v], retries: 3}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	flags := config.Settings{{Key: "retries", Value: "5"}}
	text := c.Print(flags)
	for _, want := range []string{"    url: s3://b?x=xxx  # line 2\n", "    retries: 5  # --retries\n", "    level: best  # defaults, line 1\n", "    series: j  # default\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	values, origins := c.Values(flags)
	if strings.Contains(fmt.Sprint(text, values), "private") {
		t.Errorf("%v\n%s", values, text)
	}
	for path, want := range map[string]string{"jobs.j.retries": "--retries", "vaults.v.url": "line 2", "defaults.level": "line 1", "jobs.j.level": "defaults, line 1"} {
		if origins[path] != want {
			t.Errorf("the origin of %s is %q", path, origins[path])
		}
	}
}

// Each value is looked at once, however many there are.
func TestSteps(t *testing.T) {
	file := func(n int) []byte {
		text := "vaults: {v: {url: /x}}\njobs:\n"
		for i := range n {
			text += fmt.Sprintf("  j%d: {source: /x, vaults: [v]}\n", i)
		}
		return []byte(text)
	}
	if one, two := config.Steps(file(500), config.Options{}), config.Steps(file(1000), config.Options{}); two > 2*one {
		t.Errorf("500 jobs take %d steps, 1,000 %d", one, two)
	}
}

func TestLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv(config.Variable, "")
	if path, explicit := config.Find(""); explicit || path != "" && path != "/etc/snapferry/snapferry.yaml" {
		t.Errorf("found %q", path)
	}
	_, err := config.Load("none.yaml", config.Options{})
	if !errors.Is(err, os.ErrNotExist) || !errors.Is(err, config.ErrInvalid) {
		t.Errorf("a file that is not there gives %v", err)
	}
	if err := os.WriteFile(config.FileName, []byte("vaults: {v: {url: /x}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, explicit := config.Find("")
	c, err := config.Load(path, config.Options{})
	if path != config.FileName || explicit || err != nil || len(c.Warnings) != 0 || c.File != path {
		t.Errorf("found %q, %v: %v, %v", path, explicit, c, err)
	}
	t.Setenv(config.Variable, "other")
	if path, explicit := config.Find(""); path != "other" || !explicit {
		t.Errorf("found %q", path)
	}
	if path, explicit := config.Find("named"); path != "named" || !explicit {
		t.Errorf("found %q", path)
	}
}
