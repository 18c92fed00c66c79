package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/config"
	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
)

// A setting is the flag of its name, with the same default; one that is no
// flag is refused, not ignored.
func TestSettingsAreFlags(t *testing.T) {
	d := &deps{}
	conf, err := config.Parse([]byte("defaults: {}"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	values, _ := conf.Values(nil)
	defaults, ok := values["defaults"].(map[string]any)
	if !ok || len(defaults) < 3 {
		t.Fatalf("the defaults are %v", values)
	}
	checks := d.checks()
	flags, others := newBackupCommand(d).Flags(), newRestoreCommand(d).Flags()
	for _, key := range config.SettingKeys() {
		f := flags.Lookup(config.FlagOf(key))
		if f == nil {
			f = others.Lookup(config.FlagOf(key))
		}
		if f == nil {
			if checks.Setting(key, "1") == nil {
				t.Errorf("%s is no flag, and is ignored", key)
			}
			continue
		}
		if defaults[key] == nil {
			continue // the flag has none either, or one that depends on the machine
		}
		text := fmt.Sprint(defaults[key])
		if err := f.Value.Set(text); err != nil || f.Value.String() != f.DefValue {
			t.Errorf("the default of %s is %s, that of the flag %s (%v)", key, text, f.DefValue, err)
		}
	}
}

func TestIsVaultName(t *testing.T) {
	for arg, want := range map[string]bool{"offsite": true, "a.b-c_1": true, "": false, "-": false, "./offsite": false, "a/b": false,
		"s3://x": false, `C:\x`: false, ".": false, "..": false, ".hidden": false} {
		if isVaultName(arg) != want {
			t.Errorf("%q is a name: %v", arg, !want)
		}
	}
}

// What the file says of a vault arrives at the job.
func TestVaultOf(t *testing.T) {
	conf, err := config.Parse([]byte(`vaults:
  v:
    url: /x
    encrypt: {age: [age1qqqqqqqqqq], passphrase: env:SNAPFERRY_TEST_PASSPHRASE}
    identities: ["env:SNAPFERRY_TEST_IDENTITY", "env:SNAPFERRY_TEST_NONE"]
    sign: {key: "file:/nowhere", signers: ["ssh-ed25519 AAAAAAAAAAAAAAAAAAAA"]}
    lock: {daily: {mode: governance, days: 7}}
    versions: true
  w: {url: /y}
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SNAPFERRY_TEST_PASSPHRASE", "one")
	t.Setenv("SNAPFERRY_TEST_IDENTITY", "two")
	v, err := vaultOf(conf.Vault("v"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Name != "v" || v.URL != "/x" || len(v.Recipients) != 1 || len(v.Signers) != 1 || !v.Versions || v.Locks["daily"] != (job.LockPolicy{Mode: "governance", Days: 7}) {
		t.Errorf("the vault is %+v", v)
	}
	for want, secret := range map[string]job.Secret{"one": v.Passphrase, "two": v.Identities[0]} {
		if got, err := secret(t.Context()); string(got) != want || err != nil {
			t.Errorf("fetched %q, %v; want %s", got, err, want)
		}
	}
	_, err = v.Identities[1](t.Context())
	if job.Classify(err) != job.Usage || job.Hint(err) == "" {
		t.Errorf("a variable that is not set gives %v", err)
	}
	if _, err := v.SignWith(t.Context()); job.Classify(err) != job.Failed {
		t.Errorf("a file that is not there gives %v", err)
	}
	w, err := vaultOf(conf.Vault("w"))
	if err != nil {
		t.Fatal(err)
	}
	if w.Passphrase != nil || w.SignWith != nil || w.Identities != nil || w.Locks != nil {
		t.Errorf("the plain vault is %+v", w)
	}
}

// Every field of what the commands of the configuration print is documented.
func TestConfigReportsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.RepoRoot(t), "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	for section, reports := range map[string][]any{
		"AllJobs": {jobReport{}, allJobsReport{}}, "ConfigValidate": {validateReport{}, config.Problem{}}, "ConfigPrint": {printReport{}},
	} {
		_, rows, _ := strings.Cut(string(text), "\n## "+section+"\n")
		rows, _, _ = strings.Cut(rows, "\n## ")
		fields := 0
		for _, report := range reports {
			for _, f := range reflect.VisibleFields(reflect.TypeOf(report)) {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if fields++; !strings.Contains(rows, "| `"+name+"` |") {
					t.Errorf("%s does not have %s", section, name)
				}
			}
		}
		if n := strings.Count(rows, "\n| `"); n != fields {
			t.Errorf("%s has %d fields, the report %d", section, n, fields)
		}
	}
}

// Each policy is judged once, however many vaults have it.
func TestLocksAreJudgedOnce(t *testing.T) {
	calls := 0
	check := remembered(func(v *config.Vault, _ string) error {
		calls++
		if v.Lock["daily"].Days > 7 {
			return errNegative
		}
		return nil
	})
	for i := range 1000 {
		good := &config.Vault{Name: fmt.Sprint(i), Retention: config.Retention{Daily: 7}, Lock: map[string]config.Lock{"daily": {Mode: "governance", Days: 7}}}
		bad := &config.Vault{Name: fmt.Sprint(i), Retention: config.Retention{Daily: 7}, Lock: map[string]config.Lock{"daily": {Mode: "governance", Days: 8}}}
		if check(good, "daily") != nil || check(bad, "daily") == nil {
			t.Fatal("another vault's policy is taken for its own")
		}
	}
	if calls != 2 {
		t.Errorf("two policies are judged %d times", calls)
	}
}
