package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/providers"
)

// inspect asks the store for its settings.
func (x *examination) inspect(ctx context.Context) {
	unknown := func(detail string) providers.Inspection {
		t := providers.Trait{State: providers.Unknown, Detail: detail}
		return providers.Inspection{Versioning: t, Public: t, Encryption: t, Lock: t}
	}
	inspector, ok := providers.Feature[providers.Inspector](x.s.bucket)
	if !ok {
		x.inspection = unknown("this kind of vault does not tell")
		return
	}
	err := x.s.ask(ctx, "inspect", func() (err error) {
		x.inspection, err = inspector.Inspect(ctx)
		return err
	})
	if err != nil {
		x.inspection = unknown(err.Error())
	}
}

// traits judges the settings. Whether versions matter depends on what the
// identity was found to be able to do.
func (x *examination) traits(ctx context.Context) {
	i := x.inspection
	x.versioning(i.Versioning)
	x.trait("public", i.Public, providers.Off, Check{Verdict: Red, Detail: "somebody without credentials may read",
		Hint: "block public access of the bucket"})
	x.trait("encryption", i.Encryption, providers.On, Check{Verdict: Yellow, Detail: "the store does not encrypt at rest",
		Hint: "switch on the bucket's default encryption"})
	x.lock(ctx, i.Lock)
	x.region(i.Region)
	x.space()
}

// trait says whether a setting is as it should be, else what is wrong.
func (x *examination) trait(name string, t providers.Trait, want providers.State, wrong Check) {
	wrong.Name = name
	if t.Detail != "" && wrong.Detail != "" {
		wrong.Detail += ": " + t.Detail
	}
	switch t.State {
	case want:
		x.good(name, stateText(t))
	case providers.On, providers.Off:
		x.say(wrong)
	default:
		x.unknown(name, stateText(t))
	}
}

func stateText(t providers.Trait) string {
	if t.State == providers.Unknown || t.State == "" {
		if t.Detail == "" {
			return "the store does not tell"
		}
		return t.Detail
	}
	if t.Detail == "" {
		return string(t.State)
	}
	return string(t.State) + ": " + t.Detail
}

func (x *examination) versioning(t providers.Trait) {
	harmless := func(name string) bool {
		return slices.ContainsFunc(x.health.Checks, func(c Check) bool { return c.Name == name && c.Verdict == Green })
	}
	if t.State == providers.Off && harmless("overwrite") && harmless("delete") {
		x.good("versioning", "off; this identity can neither replace nor remove anything")
		return
	}
	x.trait("versioning", t, providers.On, Check{Verdict: Yellow, Detail: "off; what is replaced or removed is gone",
		Hint: "switch on versioning, with a rule that removes older versions after some days"})
}

// lock checks what the policy asks for; without one it only informs.
func (x *examination) lock(ctx context.Context, t providers.Trait) {
	if len(x.s.locks) == 0 {
		if _, can := providers.Feature[providers.Locker](x.s.bucket); !can {
			x.good("lock", "this kind of vault has none, and none is asked for")
			return
		}
		if t.State == providers.Unknown {
			x.unknown("lock", stateText(t)+"; none is asked for")
			return
		}
		x.good("lock", stateText(t)+"; none is asked for")
		return
	}
	modes := map[string]bool{}
	for _, l := range x.s.locks {
		modes[l.Mode] = true
	}
	names := slices.Sorted(maps.Keys(modes))
	for _, mode := range names {
		if err := x.s.checkLock(ctx, providers.LockMode(mode)); err != nil {
			if !errors.Is(err, providers.ErrUnsupported) {
				err = fmt.Errorf("whether locks of mode %s can be set cannot be told: %w", mode, err)
			}
			x.fail("lock", err)
			return
		}
	}
	x.good("lock", "objects can be locked: "+strings.Join(names, ", "))
}

// regionVariables are where a machine in a cloud finds its own region.
func regionVariables(scheme string) []string {
	switch scheme {
	case "s3":
		return []string{"AWS_REGION", "AWS_DEFAULT_REGION"}
	case "gs":
		return []string{"GOOGLE_CLOUD_REGION", "CLOUDSDK_COMPUTE_REGION"}
	case "azblob":
		return []string{"REGION_NAME", "AZURE_REGION"}
	}
	return nil
}

func (x *examination) region(theirs string) {
	scheme, _, _ := strings.Cut(x.vault.URL, "://")
	ours := ""
	for _, name := range regionVariables(strings.ToLower(scheme)) {
		if ours == "" {
			ours = x.s.Getenv(name)
		}
	}
	switch {
	case theirs == "" && ours == "":
		x.unknown("region", "neither the store nor the environment tells")
	case theirs == "":
		x.unknown("region", "the store does not tell; here it is "+ours)
	case ours == "":
		x.unknown("region", theirs+"; the environment does not tell where this machine is")
	case strings.EqualFold(theirs, ours):
		x.good("region", theirs+", as here")
	default:
		x.say(Check{Name: "region", Verdict: Yellow, Detail: fmt.Sprintf("the bucket is in %s, this machine in %s", theirs, ours),
			Hint: "traffic between regions is slower and is paid for; it is what you want if the region itself may fail"})
	}
}

// What a file system of backups should have left.
const (
	spareBytes = 1 << 30
	sparePart  = 20 // one of so many
)

// space looks at the disk of a local vault.
func (x *examination) space() {
	if x.s.folder == "" {
		return
	}
	at := x.s.folder
	for at != filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil {
			break
		}
		at = filepath.Dir(at)
	}
	total, free, err := diskSpace(at)
	if err != nil {
		x.unknown("space", err.Error())
		return
	}
	c := Check{Name: "space", Verdict: Green, Detail: fmt.Sprintf("%d MiB of %d MiB are free", free>>20, total>>20)}
	if free < spareBytes || free < total/sparePart {
		c.Verdict, c.Hint = Yellow, "free space, or put the vault on a larger disk"
	}
	x.say(c)
}
