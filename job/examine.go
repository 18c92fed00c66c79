package job

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/providers"
)

// doctorRoom is the part of a key below which canaries lie. It is no tier's
// name.
const doctorRoom = "doctor"

// cleanTimeout bounds the removal of canaries after a run that was ended.
const cleanTimeout = 30 * time.Second

// examination is one vault on the table.
type examination struct {
	s       *session
	vault   Vault
	health  *VaultHealth
	noSpeed bool

	dir        string // key of the canaries, without a slash at its end
	made       []string
	content    []byte // of the canary
	removable  bool   // the canary could be removed
	inspection providers.Inspection
	missing    []string // folders of a local vault that were not there before
}

// checkNames are all checks of a vault in the order in which they are told.
func (x *examination) checkNames() []string {
	names := []string{"url", "reach", "credentials", "clock", "list", "create", "read", "overwrite", "delete",
		"versioning", "public", "encryption", "lock", "rules", "region"}
	if x.s.folder != "" {
		// A folder is reached as whoever runs this, and has no other settings.
		names = []string{"url", "reach", "clock", "list", "create", "read", "overwrite", "delete", "lock"}
	}
	if x.vault.Recipients != nil || x.vault.Identities != nil || x.vault.Passphrase != nil {
		names = append(names, "encrypt")
	}
	if x.vault.SignWith != nil {
		names = append(names, "sign")
	}
	if !x.noSpeed {
		names = append(names, "upload", "download")
	}
	if x.s.folder != "" {
		names = append(names, "space")
	}
	return names
}

// examine looks at one vault. An error means that the request was wrong or
// the run was ended; what is wrong with the vault is in the checks.
func (s *session) examine(ctx context.Context, v Vault, noSpeed bool) (*VaultHealth, error) {
	x := &examination{s: s, vault: v, noSpeed: noSpeed, health: &VaultHealth{Name: v.Name, Vault: providers.Redact(v.URL)}}
	err := s.open(ctx, v)
	if errors.Is(err, ErrUsage) || errors.Is(err, archive.ErrInvalid) {
		return nil, err
	}
	if err != nil {
		x.fail("url", err)
	} else {
		defer s.close()
		x.good("url", "it can be opened")
		x.keys(ctx)
		x.dir = path.Join(s.prefix, doctorRoom, strings.ToLower(rand.Text()[:16]))
		if x.reach(ctx) {
			x.probe(ctx)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x.complete()
	return x.health, nil
}

// probe does everything that needs a vault that answers.
func (x *examination) probe(ctx context.Context) {
	x.noteFolders()
	x.inspect(ctx)
	defer x.clean(ctx)
	if x.create(ctx) {
		x.read(ctx)
		x.overwrite(ctx)
		x.remove(ctx)
		if !x.noSpeed {
			x.measure(ctx)
		}
	}
	x.traits(ctx)
	if x.s.folder == "" {
		x.rules(ctx)
	}
}

// complete adds the checks that were not made and puts all in their order.
func (x *examination) complete() {
	names := x.checkNames()
	x.health.Checks = slices.DeleteFunc(x.health.Checks, func(c Check) bool { return !slices.Contains(names, c.Name) })
	for _, name := range names {
		if !slices.ContainsFunc(x.health.Checks, func(c Check) bool { return c.Name == name }) {
			x.say(Check{Name: name, Verdict: Unknown, Detail: "not looked at, for what is wrong above"})
		}
	}
	slices.SortStableFunc(x.health.Checks, func(a, b Check) int {
		return slices.Index(names, a.Name) - slices.Index(names, b.Name)
	})
}

func (x *examination) say(c Check) { x.health.Checks = append(x.health.Checks, c) }

func (x *examination) good(name, detail string) {
	x.say(Check{Name: name, Verdict: Green, Detail: detail})
}

func (x *examination) unknown(name, detail string) {
	x.say(Check{Name: name, Verdict: Unknown, Detail: detail})
}

// fail tells of a check that an error made red.
func (x *examination) fail(name string, err error) {
	x.say(Check{Name: name, Verdict: Red, Detail: err.Error(), Hint: Hint(err)})
}

// reach lists the place of the canaries, which is empty, and reports whether
// it is worth going on.
func (x *examination) reach(ctx context.Context) bool {
	_, err := x.list(ctx)
	reached := "it answers"
	if x.s.folder != "" {
		reached = "the folder can be read"
		if _, serr := os.Stat(x.s.folder); serr != nil {
			reached = "the folder does not exist yet: the first backup creates it"
		}
	}
	switch {
	case errors.Is(err, providers.ErrCredentials):
		x.good("reach", reached)
		x.fail("credentials", err)
		return false
	case errors.Is(err, providers.ErrClockSkew):
		x.good("reach", reached)
		x.fail("clock", err)
		return false
	case err != nil && !errors.Is(err, providers.ErrDenied):
		x.fail("reach", err)
		return false
	}
	x.good("reach", reached)
	x.good("credentials", "they are accepted") // also by who then refused
	if err != nil {
		x.fail("list", err)
	}
	x.serverClock(ctx)
	return true
}

// list returns the canaries that a listing shows.
func (x *examination) list(ctx context.Context) (found []providers.Object, err error) {
	for o, err := range x.s.bucket.List(ctx, x.dir+"/") {
		if err != nil {
			return nil, err
		}
		found = append(found, o)
	}
	return found, nil
}

// Differences of clocks. Stores refuse requests at 15 minutes; rotation, which
// goes by the store's clock, is planned with five.
const (
	skewYellow = time.Minute
	skewRed    = 5 * time.Minute
)

// serverClock compares the clocks where the store tells its time. Otherwise
// the canary's creation does.
func (x *examination) serverClock(ctx context.Context) {
	inspector, ok := providers.Feature[providers.Inspector](x.s.bucket)
	if !ok {
		return
	}
	var theirs, before, after time.Time
	err := x.s.ask(ctx, "get time", func() (err error) {
		before = x.s.Now()
		theirs, err = inspector.ServerTime(ctx)
		after = x.s.Now()
		return err
	})
	if err != nil {
		x.unknown("clock", err.Error())
		return
	}
	x.clock(theirs, before, after)
}

// clock judges the store's time, which was told to the second between before
// and after.
func (x *examination) clock(theirs, before, after time.Time) {
	skew := time.Duration(0)
	switch {
	case theirs.After(after):
		skew = theirs.Sub(after)
	case theirs.Before(before.Add(-time.Second)):
		skew = before.Sub(theirs)
	}
	c := Check{Name: "clock", Verdict: Green, Detail: "it differs by less than a second"}
	if skew >= time.Second {
		c.Detail = fmt.Sprintf("it differs by %v: here %s, there %s", skew.Round(time.Second),
			before.UTC().Format(time.RFC3339), theirs.UTC().Format(time.RFC3339))
	}
	switch {
	case skew > skewRed:
		c.Verdict = Red
	case skew > skewYellow:
		c.Verdict = Yellow
	}
	if c.Verdict != Green {
		c.Hint = "set this machine's clock, for instance with chrony or systemd-timesyncd"
	}
	x.say(c)
}

// ask asks an optional interface of the store, with its policy of trying
// again.
func (o *opened) ask(ctx context.Context, op string, f func() error) error {
	return providers.Retry(ctx, o.policy, op, o.shown, f)
}

// clean removes what is left of the canaries, also if the run was ended, and
// names what stays.
func (x *examination) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	for _, key := range x.made {
		if err := x.s.bucket.Delete(ctx, key); err != nil {
			x.health.Left = append(x.health.Left, key)
			continue
		}
		x.removed(key)
	}
	x.removeFolders()
}

// removed names what a vault that keeps older versions has of a removed key.
func (x *examination) removed(key string) {
	if x.inspection.Versioning.State == providers.On {
		x.health.Left = append(x.health.Left, key+" (as an older version)")
	}
}

// noteFolders remembers which folders of a local vault do not exist.
func (x *examination) noteFolders() {
	if x.s.folder == "" {
		return
	}
	for at := filepath.Join(x.s.folder, filepath.FromSlash(x.dir)); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		x.missing = append(x.missing, at)
	}
}

// removeFolders removes the folders that the canaries made and that are
// empty, the innermost first.
func (x *examination) removeFolders() {
	for _, folder := range x.missing {
		if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			return // something else lies in it by now
		}
	}
}
