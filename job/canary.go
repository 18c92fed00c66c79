package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/snapferry/snapferry/providers"
)

const (
	canaryText  = "A canary of snapferry doctor: it may be removed.\n"
	canaryOther = "Another canary of snapferry doctor, which must not replace the first.\n"
)

// put creates a canary and remembers to remove it.
func (x *examination) put(ctx context.Context, key string, body providers.Body) (err error) {
	// A failed attempt may have created it.
	x.made = append(x.made, key)
	err = x.s.bucket.Put(ctx, key, body)
	switch {
	case errors.Is(err, providers.ErrExists):
		err = nil // by an attempt of ours whose answer was lost: nobody else knows the name
	case err != nil && ctx.Err() == nil && providers.Permanent(err):
		x.made = x.made[:len(x.made)-1]
	}
	return err
}

func (x *examination) canary() string { return x.dir + "/canary" }

// create tries whether an object can be created, and not be created twice. It
// reports whether there is a canary.
func (x *examination) create(ctx context.Context) bool {
	before := x.s.Now()
	if err := x.put(ctx, x.canary(), providers.Bytes([]byte(canaryText))); err != nil {
		x.fail("create", err)
		return false
	}
	x.listed(ctx, before, x.s.Now())
	err := x.s.bucket.Put(ctx, x.canary(), providers.Bytes([]byte(canaryOther)))
	x.content = []byte(canaryText)
	switch {
	case errors.Is(err, providers.ErrExists):
		x.good("create", "an object is created once, and a second time refused")
	case err == nil:
		x.content = []byte(canaryOther)
		x.say(Check{Name: "create", Verdict: Red, Detail: "the store takes the condition that a key is free and does not keep it: a second object replaced the first",
			Hint: "do not use this store, or update it: two runs at once could damage each other's backups"})
	default:
		x.say(Check{Name: "create", Verdict: Red, Detail: "whether an object is created only once cannot be told: " + err.Error(), Hint: Hint(err)})
	}
	return true
}

// listed checks that a listing shows the canary at once, and takes the time of
// its creation where the store does not tell its own.
func (x *examination) listed(ctx context.Context, before, after time.Time) {
	found, err := x.list(ctx)
	switch {
	case errors.Is(err, providers.ErrDenied): // told already
	case err != nil:
		x.fail("list", err)
	case len(found) != 1 || found[0].Key != x.canary() || found[0].Size != int64(len(canaryText)):
		x.say(Check{Name: "list", Verdict: Red, Detail: fmt.Sprintf("an object that was created shows as %d objects, or with another size", len(found)),
			Hint: "do not use this store: what is stored must show at once"})
	default:
		x.good("list", "an object shows as soon as it is created")
		if _, tells := providers.Feature[providers.Inspector](x.s.bucket); !tells {
			x.clock(found[0].Created, before, after)
		}
	}
}

// read reads the canary as a whole and in part.
func (x *examination) read(ctx context.Context) {
	const off, n = 9, 9
	whole, err := x.get(ctx, x.canary(), 0, -1)
	part := []byte(nil)
	if err == nil {
		part, err = x.get(ctx, x.canary(), off, n)
	}
	switch {
	case err != nil:
		x.fail("read", err)
	case !bytes.Equal(whole, x.content):
		x.say(Check{Name: "read", Verdict: Red, Detail: "an object reads as other bytes than were stored",
			Hint: "do not use this store; look for a proxy that changes what passes"})
	case !bytes.Equal(part, x.content[off:off+n]):
		x.say(Check{Name: "read", Verdict: Red, Detail: "a part of an object reads as other bytes",
			Hint: "do not use this store; look for a proxy that ignores ranges"})
	default:
		x.good("read", "an object reads as it was stored, whole and in part")
	}
}

func (x *examination) get(ctx context.Context, key string, off, n int64) ([]byte, error) {
	r, err := x.s.bucket.Get(ctx, key, off, n)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, speedBytes+1))
	return b, errors.Join(err, r.Close())
}

// overwrite tries whether this identity could replace an object if it wanted
// to: by mistake of another program, or because its key was stolen.
func (x *examination) overwrite(ctx context.Context) {
	if x.s.folder != "" {
		x.say(Check{Name: "overwrite", Verdict: Yellow, Detail: "whoever may write this folder may replace backups",
			Hint: "keep a second vault in a bucket, or let another user own the folder and pull the backups"})
		return
	}
	overwriter, ok := providers.Feature[providers.Overwriter](x.s.bucket)
	if !ok {
		x.unknown("overwrite", "this kind of vault cannot be asked")
		return
	}
	err := x.s.ask(ctx, "overwrite", func() error {
		return overwriter.Overwrite(ctx, x.canary(), providers.Bytes([]byte(canaryOther)))
	})
	switch {
	case errors.Is(err, providers.ErrDenied) || errors.Is(err, providers.ErrExists):
		x.good("overwrite", "the store prevents it")
		return
	case err != nil:
		x.unknown("overwrite", err.Error())
		return
	}
	c := Check{Name: "overwrite", Verdict: Yellow, Detail: "this identity could replace backups; the vault keeps what was there as an older version",
		Hint: "let the bucket refuse it, or take the right to overwrite away from the identity"}
	switch x.inspection.Versioning.State {
	case providers.On:
	case providers.Off:
		c.Verdict, c.Detail = Red, "this identity could replace backups, and the vault keeps no older versions"
	case providers.Unknown:
		c.Detail = "this identity could replace backups; whether the vault keeps older versions is not known"
	}
	if adviser, ok := providers.Feature[providers.PolicyAdviser](x.s.bucket); ok {
		c.Policy = adviser.OverwritePolicy(x.s.prefix)
		c.Hint = "let the bucket refuse it, with the policy below"
	}
	x.say(c)
}

// remove tries to remove the canary. That it cannot is how it should be: who
// steals a writer's key cannot destroy what was written.
func (x *examination) remove(ctx context.Context) {
	err := x.s.bucket.Delete(ctx, x.canary())
	if err == nil {
		if _, gerr := x.get(ctx, x.canary(), 0, -1); gerr == nil {
			err = fmt.Errorf("%w: it says that an object is removed, and keeps it", providers.ErrDenied)
		}
	}
	switch {
	case errors.Is(err, providers.ErrDenied):
		x.good("delete", "this identity cannot remove backups")
		return
	case err != nil:
		x.unknown("delete", err.Error())
		return
	}
	x.removable = true
	x.made = slices.DeleteFunc(x.made, func(key string) bool { return key == x.canary() })
	x.removed(x.canary())
	if x.s.folder != "" {
		x.say(Check{Name: "delete", Verdict: Yellow, Detail: "whoever may write this folder may remove backups",
			Hint: "keep a second vault in a bucket, or let another user own the folder and pull the backups"})
		return
	}
	x.say(Check{Name: "delete", Verdict: Yellow, Detail: "this identity could remove backups",
		Hint: "take the right away from it (s3:DeleteObject, storage.objects.delete, or that of blobs/delete): rotation is done by the bucket's own rules"})
}
