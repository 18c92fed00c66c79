package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/local"
)

// plain is a store without any optional interface.
type plain struct {
	providers.Bucket
	put       func(key string, body providers.Body) (handled bool, err error)
	get       func(key string, off, n int64) (io.ReadCloser, bool, error)
	list      error
	hide      bool // what was stored does not show
	deleteErr error
	keep      bool // says that it removes, and does not
}

func (p *plain) Put(ctx context.Context, key string, body providers.Body) error {
	if p.put != nil {
		if handled, err := p.put(key, body); handled {
			return err
		}
	}
	return p.Bucket.Put(ctx, key, body)
}

func (p *plain) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if p.get != nil {
		if r, handled, err := p.get(key, off, n); handled {
			return r, err
		}
	}
	return p.Bucket.Get(ctx, key, off, n)
}

func (p *plain) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	if p.list != nil || p.hide {
		return func(yield func(providers.Object, error) bool) {
			if p.list != nil {
				yield(providers.Object{}, p.list)
			}
		}
	}
	return p.Bucket.List(ctx, prefix)
}

func (p *plain) Delete(ctx context.Context, key string) error {
	if p.deleteErr != nil || p.keep {
		return p.deleteErr
	}
	return p.Bucket.Delete(ctx, key)
}

// cloud is a store with all of them.
type cloud struct {
	plain
	inspection   providers.Inspection
	inspectErr   error
	skew         time.Duration
	timeErr      error
	overwriteErr error
	lockErr      error
}

func (c *cloud) Inspect(context.Context) (providers.Inspection, error) {
	return c.inspection, c.inspectErr
}
func (c *cloud) ServerTime(context.Context) (time.Time, error) {
	return time.Now().Add(c.skew).UTC().Truncate(time.Second), c.timeErr
}
func (c *cloud) Overwrite(ctx context.Context, key string, body providers.Body) error {
	if c.overwriteErr != nil {
		return c.overwriteErr
	}
	return errors.Join(c.Bucket.Delete(ctx, key), c.Bucket.Put(ctx, key, body))
}
func (c *cloud) OverwritePolicy(prefix string) string                { return `{"prefix": "` + prefix + `"}` }
func (c *cloud) CheckLock(context.Context, providers.LockMode) error { return c.lockErr }
func (c *cloud) LockOf(context.Context, string) (providers.Lock, error) {
	return providers.Lock{}, nil
}

func denied(op string) error {
	return &providers.Error{Op: op, Key: "x", Err: providers.ErrDenied, Hint: "allow " + op}
}

func trait(s providers.State) providers.Trait { return providers.Trait{State: s} }

// healthy is a cloud in which all is as it should be.
func healthy() *cloud {
	return &cloud{plain: plain{deleteErr: denied("delete")}, overwriteErr: denied("overwrite"), inspection: providers.Inspection{Region: "eu-west-1",
		Versioning: trait(providers.On), Public: trait(providers.Off), Encryption: providers.Trait{State: providers.On, Detail: "AES256"}, Lock: trait(providers.Off)}}
}

// patient returns a runner whose vault s3://x is b, whose objects lie in dir.
func patient(t *testing.T, b providers.Bucket) (r *Runner, dir string) {
	dir = t.TempDir()
	return &Runner{Tuning: Tuning{Tries: 1}, Getenv: func(name string) string { return map[string]string{"AWS_REGION": "eu-west-1"}[name] },
		Registry: providers.Registry{"s3": func(context.Context, *url.URL, providers.Options) (providers.Bucket, string, error) {
			base, err := local.New(dir, providers.Options{})
			switch b := b.(type) {
			case *plain:
				b.Bucket = base
			case *cloud:
				b.Bucket = base
			}
			return b, "pre/fix", err
		}}}, dir
}

func check(t *testing.T, report *DoctorReport, name string) Check {
	t.Helper()
	i := slices.IndexFunc(report.Vaults[0].Checks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s in %+v", name, report.Vaults[0].Checks)
	}
	return report.Vaults[0].Checks[i]
}

func TestDoctorVerdicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		spoil   func(*cloud)
		check   string
		verdict Verdict
		says    string
	}{
		{"healthy", func(*cloud) {}, "create", Green, "a second time refused"},
		{"healthy", func(*cloud) {}, "delete", Green, "cannot remove"},
		{"healthy", func(*cloud) {}, "overwrite", Green, "prevents"},
		{"healthy", func(*cloud) {}, "encryption", Green, "on: AES256"},
		{"healthy", func(*cloud) {}, "region", Green, "eu-west-1, as here"},
		{"healthy", func(*cloud) {}, "lock", Green, "none is asked for"},
		{"healthy", func(*cloud) {}, "clock", Green, "less than a second"},
		{"no network", func(c *cloud) { c.list = errors.New("connection refused") }, "reach", Red, "connection refused"},
		{"no bucket", func(c *cloud) { c.list = providers.ErrNoBucket }, "reach", Red, "bucket not found"},
		{"credentials", func(c *cloud) { c.list = providers.ErrCredentials }, "credentials", Red, "no usable credentials"},
		{"credentials", func(c *cloud) { c.list = providers.ErrCredentials }, "create", Unknown, "not looked at"},
		{"skewed", func(c *cloud) { c.list = providers.ErrClockSkew }, "clock", Red, "clock differs too much"},
		{"ahead", func(c *cloud) { c.skew = 6 * time.Minute }, "clock", Red, "it differs by "},
		{"behind", func(c *cloud) { c.skew = -2 * time.Minute }, "clock", Yellow, "it differs by "},
		{"a little", func(c *cloud) { c.skew = 30 * time.Second }, "clock", Green, "it differs by"},
		{"timeless", func(c *cloud) { c.timeErr = errors.New("no Date") }, "clock", Unknown, "no Date"},
		{"unlisted", func(c *cloud) { c.list = denied("list") }, "list", Red, "access denied"},
		{"unlisted", func(c *cloud) { c.list = denied("list") }, "create", Green, "created once"},
		{"eventual", func(c *cloud) { c.hide = true }, "list", Red, "shows as 0 objects"},
		{"read-only", func(c *cloud) { c.put = func(string, providers.Body) (bool, error) { return true, denied("put") } }, "create", Red, "access denied"},
		{"read-only", func(c *cloud) { c.put = func(string, providers.Body) (bool, error) { return true, denied("put") } }, "read", Unknown, "not looked at"},
		{"unconditional", func(c *cloud) {
			c.put = func(key string, body providers.Body) (bool, error) {
				return true, errors.Join(c.Bucket.Delete(context.Background(), key), c.Bucket.Put(context.Background(), key, body))
			}
		}, "create", Red, "a second object replaced the first"},
		{"odd", func(c *cloud) {
			n := 0
			c.put = func(string, providers.Body) (bool, error) { n++; return n == 2, errors.New("500 whatever") }
		}, "create", Red, "cannot be told: 500"},
		{"lost answer", func(c *cloud) {
			n := 0
			c.put = func(key string, body providers.Body) (bool, error) {
				if n++; n > 1 {
					return false, nil
				}
				return true, errors.Join(c.Bucket.Put(context.Background(), key, body), &providers.Error{Op: "put", Key: key, Err: providers.ErrExists})
			}
		}, "create", Green, "created once"},
		{"unread", func(c *cloud) {
			c.get = func(string, int64, int64) (io.ReadCloser, bool, error) { return nil, true, denied("get") }
		}, "read", Red, "access denied"},
		{"garbled", func(c *cloud) {
			c.get = func(string, int64, int64) (io.ReadCloser, bool, error) {
				return io.NopCloser(strings.NewReader(strings.ToUpper(canaryText))), true, nil
			}
		}, "read", Red, "other bytes than were stored"},
		{"no ranges", func(c *cloud) {
			c.get = func(key string, _, _ int64) (io.ReadCloser, bool, error) {
				r, err := c.Bucket.Get(context.Background(), key, 0, -1)
				return r, true, err
			}
		}, "read", Red, "a part of an object"},
		{"replaceable", func(c *cloud) { c.overwriteErr = nil }, "overwrite", Yellow, "keeps what was there"},
		{"replaceable, unversioned", func(c *cloud) { c.overwriteErr = nil; c.inspection.Versioning = trait(providers.Off) }, "overwrite", Red, "keeps no older versions"},
		{"replaceable, versions unknown", func(c *cloud) { c.overwriteErr = nil; c.inspection.Versioning = trait(providers.Unknown) }, "overwrite", Yellow, "is not known"},
		{"overwrite unclear", func(c *cloud) { c.overwriteErr = errors.New("503") }, "overwrite", Unknown, "503"},
		{"removable", func(c *cloud) { c.deleteErr = nil }, "delete", Yellow, "could remove backups"},
		{"removed in name", func(c *cloud) { c.deleteErr = nil; c.keep = true }, "delete", Green, "cannot remove"},
		{"delete unclear", func(c *cloud) { c.deleteErr = errors.New("503") }, "delete", Unknown, "503"},
		{"unversioned", func(c *cloud) { c.inspection.Versioning = trait(providers.Off) }, "versioning", Green, "neither replace nor remove"},
		{"unversioned, removable", func(c *cloud) { c.inspection.Versioning = trait(providers.Off); c.deleteErr = nil }, "versioning", Yellow, "is gone"},
		{"public", func(c *cloud) { c.inspection.Public = providers.Trait{State: providers.On, Detail: "its policy"} }, "public", Red, "its policy"},
		{"unencrypted", func(c *cloud) { c.inspection.Encryption = trait(providers.Off) }, "encryption", Yellow, "does not encrypt"},
		{"silent", func(c *cloud) { c.inspectErr = denied("inspect") }, "public", Unknown, "access denied"},
		{"far", func(c *cloud) { c.inspection.Region = "us-east-1" }, "region", Yellow, "the bucket is in us-east-1, this machine in eu-west-1"},
		{"nowhere", func(c *cloud) { c.inspection.Region = "" }, "region", Unknown, "does not tell"},
	} {
		t.Run(c.name+"/"+c.check, func(t *testing.T) {
			b := healthy()
			r, _ := patient(t, b)
			c.spoil(b)
			report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}, NoSpeed: true})
			if report == nil {
				t.Fatal(err)
			}
			got := check(t, report, c.check)
			if got.Verdict != c.verdict || !strings.Contains(got.Detail, c.says) {
				t.Errorf("%+v, want %s with %q", got, c.verdict, c.says)
			}
			if (got.Verdict == Yellow || got.Verdict == Red) != (got.Hint != "") {
				t.Errorf("the hint of %s is %q", got.Verdict, got.Hint)
			}
			want := map[Verdict]Class{Green: Done, Yellow: Partial, Red: Failed}[report.Verdict]
			if Classify(err) != want || err != nil && Hint(err) == "" {
				t.Errorf("%s is %v, hint %q", report.Verdict, err, Hint(err))
			}
			if (c.verdict == Yellow || c.verdict == Red) && report.Verdict.rank() < c.verdict.rank() {
				t.Errorf("one check is %s, all are %s", c.verdict, report.Verdict)
			}
			if c.name == "healthy" && report.Verdict != Green {
				t.Errorf("not all is green: %+v", report)
			}
		})
	}
}

// A policy is offered where there is something to prevent.
func TestDoctorOffersAPolicy(t *testing.T) {
	b := healthy()
	r, _ := patient(t, b)
	b.overwriteErr = nil
	report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}, NoSpeed: true})
	if got := check(t, report, "overwrite"); Classify(err) != Partial || got.Policy != `{"prefix": "pre/fix"}` || !strings.Contains(got.Hint, "policy below") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDoctorChecksTheLockAskedFor(t *testing.T) {
	access := Access{Locks: map[string]LockPolicy{"daily": {"compliance", 7}}}
	for says, c := range map[string]struct {
		err     error
		verdict Verdict
	}{
		"can be locked: compliance": {nil, Green},
		"object lock is off":        {&providers.Error{Op: "lock", Key: "x", Err: fmt.Errorf("%w: object lock is off", providers.ErrUnsupported), Hint: "switch it on"}, Red},
		"cannot be told":            {denied("lock"), Red},
	} {
		b := healthy()
		r, _ := patient(t, b)
		b.lockErr = c.err
		report, _ := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x", Access: access}}, NoSpeed: true})
		if got := check(t, report, "lock"); got.Verdict != c.verdict || !strings.Contains(got.Detail, says) {
			t.Errorf("%+v, want %s", got, c.verdict)
		}
	}
	access.Retention.Daily.Count = 3
	r, _ := patient(t, healthy())
	if report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x", Access: access}}}); report != nil || Classify(err) != Usage {
		t.Errorf("a lock that is too long: %v", err)
	}
}

// A store of which nothing but objects is known leaves the rest unknown, and
// tells its time by what it stored.
func TestDoctorOfAPlainStore(t *testing.T) {
	r, _ := patient(t, &plain{deleteErr: denied("delete")})
	report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}, NoSpeed: true})
	if err != nil || report.Verdict != Green {
		t.Fatalf("%+v, %v", report, err)
	}
	for name, want := range map[string]Verdict{"clock": Green, "overwrite": Unknown, "versioning": Unknown, "public": Unknown, "encryption": Unknown, "lock": Green} {
		if got := check(t, report, name); got.Verdict != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

// What can be removed is, whatever happens; what cannot be is named.
func TestDoctorLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*cloud, context.CancelFunc)
		left  int // files
		named int // keys in the report
	}{
		"removable": {func(c *cloud, _ context.CancelFunc) {
			c.deleteErr = nil
			c.inspection.Versioning = trait(providers.Off)
		}, 0, 0},
		"versioned":     {func(c *cloud, _ context.CancelFunc) { c.deleteErr = nil }, 0, 1 + speedLeft},
		"not removable": {func(*cloud, context.CancelFunc) {}, 1 + speedLeft, 1 + speedLeft},
		"nothing was made": {func(c *cloud, _ context.CancelFunc) {
			c.put = func(string, providers.Body) (bool, error) { return true, denied("put") }
		}, 0, 0},
		"interrupted": {func(c *cloud, cancel context.CancelFunc) {
			c.deleteErr = nil
			c.get = func(string, int64, int64) (io.ReadCloser, bool, error) { cancel(); return nil, false, nil }
		}, 0, 0},
		"uploads fail": {func(c *cloud, _ context.CancelFunc) {
			c.deleteErr = nil
			c.inspection.Versioning = trait(providers.Off)
			c.put = func(key string, _ providers.Body) (bool, error) {
				return strings.Contains(key, "speed-03"), errors.New("broken pipe")
			}
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := healthy()
			r, dir := patient(t, b)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.spoil(b, cancel)
			report, err := r.Doctor(ctx, DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}})
			var files []string
			if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					files = append(files, path)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if len(files) != c.left {
				t.Errorf("%d files are left: %q", len(files), files)
			}
			if name == "interrupted" {
				if report != nil || Classify(err) != Interrupted {
					t.Errorf("%v", err)
				}
				return
			}
			if left := report.Vaults[0].Left; len(left) != c.named || c.named > 0 && !strings.HasPrefix(left[0], "pre/fix/doctor/") {
				t.Errorf("named %q", left)
			}
			// No listing of backups sees the canaries.
			list, err := r.List(t.Context(), ListRequest{Vault: Vault{URL: "s3://x"}, Incomplete: true})
			if err != nil || len(list.Backups) != 0 || list.Ignored != 0 {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
}

func TestDoctorMeasuresRates(t *testing.T) {
	b := healthy()
	r, _ := patient(t, b)
	b.deleteErr = nil
	b.inspection.Versioning = trait(providers.Unknown)
	report, _ := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}})
	v := report.Vaults[0]
	if v.UploadRate < 1<<20 || v.DownloadRate < 1<<20 || !strings.Contains(check(t, report, "upload").Detail, "MiB/s, measured with") {
		t.Errorf("%+v", v)
	}
	// On a slow line one object is all there is.
	r, _ = patient(t, b)
	r.Tuning.Bandwidth = "4MiB:off"
	report, _ = r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}})
	if v := report.Vaults[0]; v.UploadRate < 3*(1<<20) || v.UploadRate > 6*(1<<20) || !strings.Contains(check(t, report, "upload").Detail, "with --bandwidth") {
		t.Errorf("%g up, %g down: %+v", v.UploadRate, v.DownloadRate, v.Checks)
	}
}

// A folder that was not there is not there again.
func TestDoctorOfAFolder(t *testing.T) {
	parent := t.TempDir()
	vault := filepath.Join(parent, "new", "vault")
	r := Runner{}
	for range 2 {
		report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: vault}}, NoSpeed: true})
		if Classify(err) != Partial || report.Verdict != Yellow {
			t.Fatalf("%+v, %v", report, err)
		}
		for name, want := range map[string]Verdict{"create": Green, "read": Green, "clock": Green, "overwrite": Yellow, "delete": Yellow} {
			if got := check(t, report, name); got.Verdict != want {
				t.Errorf("%+v, want %s", got, want)
			}
		}
		entries, err := os.ReadDir(parent)
		if err != nil || len(entries) != 0 {
			t.Errorf("%v is left, %v", entries, err)
		}
	}
	// One with backups keeps them, and nothing else.
	if _, err := r.Backup(t.Context(), BackupRequest{Source: sourceFile(t, 100), Vaults: []Vault{{URL: vault}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: vault}}, NoSpeed: true}); Classify(err) != Partial {
		t.Error(err)
	}
	entries, err := os.ReadDir(vault)
	if err != nil || len(entries) != 1 || entries[0].Name() != "manual" {
		t.Errorf("%v, %v", entries, err)
	}
}

// One vault that is out of order does not hide another, and what is asked for
// wrongly is no finding.
func TestDoctorOfSeveralVaults(t *testing.T) {
	b := healthy()
	r, _ := patient(t, b)
	report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x", Name: "offsite"}, {URL: "gs://user:secret@nowhere"}}, NoSpeed: true})
	if Classify(err) != Failed || !errors.Is(err, ErrUnfit) || len(report.Vaults) != 2 || report.Vaults[0].Verdict != Green || report.Vaults[1].Verdict != Red || report.Verdict != Red {
		t.Fatalf("%+v, %v", report, err)
	}
	text, jerr := json.Marshal(report)
	if jerr != nil || strings.Contains(string(text)+err.Error()+Hint(err), "secret") {
		t.Errorf("%s, %v", text, err)
	}
	if report, err := r.Doctor(t.Context(), DoctorRequest{}); report != nil || Classify(err) != Usage {
		t.Errorf("without a vault: %v", err)
	}
	r.Tuning.Bandwidth = "fast"
	if report, err := r.Doctor(t.Context(), DoctorRequest{Vaults: []Vault{{URL: "s3://x"}}}); report != nil || Classify(err) != Usage {
		t.Errorf("a wrong rate: %v", err)
	}
}
