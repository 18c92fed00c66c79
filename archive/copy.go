package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// Copied is what became of a copy in one vault.
type Copied struct {
	Name     format.Name
	Manifest *format.Manifest // as it stands there; nil after an error
	// Resumed: an earlier run had begun the copy, or the backup was there.
	Resumed bool
	Reused  int64 // raw bytes of data that were there before
	Err     error
}

// Copy copies a complete backup into other vaults, object for object and
// without a key: what is encrypted or signed stays so, byte for byte. Every
// object is read once for all of them, its hash checked on the way, and stored
// with the manifest last, so that a copy is not seen before it is whole; the
// next run of one that was ended does what is missing. An empty tier is that
// of the source.
//
// The result has one entry for each target; a target that fails does not stop
// the others. The error is that of the source, which ends all: ErrDamaged if
// an object is missing or wrong. A target where the name belongs to another
// capture is ErrRefused. Transfers are those of each vault, memory, log and
// progress are the source's.
func Copy(ctx context.Context, src *Vault, n format.Name, targets []*Vault, tier lifecycle.Tier) ([]Copied, error) {
	c := &copier{src: src, from: n, to: n, budget: src.newBudget()}
	if tier != "" {
		c.to.Tier = tier
	}
	return c.run(ctx, targets)
}

func (c *copier) run(ctx context.Context, targets []*Vault) ([]Copied, error) {
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	for _, v := range targets {
		c.all = append(c.all, &landing{v: v, Copied: Copied{Name: c.to}})
	}
	each(c.all, func(l *landing) { l.Err = c.arrive(ctx, l) })
	err := c.copy(ctx)
	copied := make([]Copied, len(targets))
	for i, l := range c.all {
		copied[i] = l.Copied
	}
	return copied, err
}

// copier is one run of Copy.
type copier struct {
	src      *Vault
	from, to format.Name
	budget   *memory.Budget
	held     int64 // bytes of memory that table and sets of an image take
	all      []*landing
	// within copies an object inside the store, where source and target are
	// one vault and its store does that; nil: the bytes pass by here.
	within CopyObject

	manifest *format.Manifest
	sealed   []byte // manifest.json
	capture  []byte // capture.json
	beside   []besideFile
}

// landing is one vault that gets the copy.
type landing struct {
	Copied
	v *Vault
}

// open reads what the backup is made of.
func (c *copier) open(ctx context.Context) error {
	b, err := c.src.Open(ctx, c.from)
	if err != nil {
		return err
	}
	c.manifest = b.Manifest
	key := c.src.catalogKey(c.from, format.ManifestFile)
	if c.sealed, err = c.src.getBytes(ctx, key, format.MaxDocument); err != nil {
		return err
	}
	var again format.Manifest
	if err := format.Unseal(c.sealed, &again); err != nil || !reflect.DeepEqual(&again, c.manifest) {
		return damaged("copy", key, errors.New("it changed while it was read"))
	}
	key = c.src.catalogKey(c.from, format.CaptureFile)
	if c.capture, err = c.src.getBytes(ctx, key, format.MaxDocument); err != nil {
		return err
	}
	if format.RefOf(c.capture) != c.manifest.Capture {
		return damaged("copy", key, errors.New("it is not the object the manifest names"))
	}
	c.beside, err = c.listBeside(ctx)
	return err
}

// living are the vaults that are still to be served.
func (c *copier) living() []*landing {
	var living []*landing
	for _, l := range c.all {
		if l.Err == nil && l.Manifest == nil {
			living = append(living, l)
		}
	}
	return living
}

// arrive finds out what a vault has of the backup, and writes capture.json if
// that is nothing.
func (c *copier) arrive(ctx context.Context, l *landing) error {
	done, err := c.findCopy(ctx, l)
	if done || err != nil {
		return err
	}
	key := l.v.catalogKey(c.to, format.CaptureFile)
	there, err := l.v.getBytes(ctx, key, format.MaxDocument)
	l.Resumed = err == nil
	if errors.Is(err, providers.ErrNotFound) {
		left, ferr := c.leftovers(ctx, l)
		if ferr != nil {
			return ferr
		}
		if left == "" {
			if _, err = l.v.putBytes(ctx, key, c.capture); err != nil {
				return err
			}
		}
		// Where another copy began between our two looks, it is there now.
		if there, err = l.v.getBytes(ctx, key, format.MaxDocument); errors.Is(err, providers.ErrNotFound) {
			return c.conflict(left, "data of a backup that is gone lies there")
		}
	}
	if err == nil && !bytes.Equal(there, c.capture) {
		err = c.conflict(key, "it is of another capture")
	}
	if err != nil || l.v.rotation.Policy.IsZero() {
		return err
	}
	return l.stand(ctx, c.to)
}

// stand writes down what the copy stands for where it is.
func (l *landing) stand(ctx context.Context, n format.Name) error {
	key, err := l.v.signKey(ctx)
	if err != nil {
		return err
	}
	p := promiser{v: l.v, key: key}
	if p.entries, _, err = l.v.List(ctx, n.Series); err != nil {
		return err
	}
	_, err = p.stand(ctx, n, nil, n.ID.Time)
	return err
}

// findCopy reports whether the vault has the backup already, complete.
func (c *copier) findCopy(ctx context.Context, l *landing) (bool, error) {
	key := l.v.catalogKey(c.to, format.ManifestFile)
	there, err := l.v.getBytes(ctx, key, format.MaxDocument)
	if errors.Is(err, providers.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	m := &format.Manifest{}
	if !bytes.Equal(there, c.sealed) {
		// A backup of the same capture may have been made there by itself.
		if format.Unseal(there, m) != nil || !c.manifest.Agrees(m) {
			return false, c.conflict(key, "a backup of another capture has the name")
		}
	} else {
		m = c.manifest
	}
	capture, err := l.v.getBytes(ctx, l.v.catalogKey(c.to, format.CaptureFile), format.MaxDocument)
	if errors.Is(err, providers.ErrNotFound) || err == nil && !bytes.Equal(capture, c.capture) {
		return false, c.conflict(key, "its capture.json is gone, or another's")
	}
	if err != nil {
		return false, err
	}
	l.Manifest, l.Resumed, l.Reused = m, true, m.RawBytes
	return true, nil
}

func (c *copier) conflict(key, why string) error {
	return &Error{Op: "copy to", Name: key, Err: fmt.Errorf("%w: %s", ErrRefused, why),
		Hint: "Copy to another vault or prefix, or with --tier to another tier; nothing there was changed."}
}

// leftovers returns the key of some data that lies below the name; without a
// capture it is what is left of a backup that expired, and goes on expiring.
func (c *copier) leftovers(ctx context.Context, l *landing) (string, error) {
	prefix := l.v.tierKey(c.to.Tier, "data") + c.to.Series + "/" + c.to.ID.String() + "/"
	for o, err := range l.v.bucket.List(ctx, prefix) {
		return o.Key, err
	}
	return "", nil
}

// copy brings everything but capture.json to the vaults that lack it, in the
// order in which a backup is written.
func (c *copier) copy(ctx context.Context) error {
	for _, l := range c.all {
		if l.Manifest != nil {
			c.src.opts.Log.Info("backup is there already", "backup", c.to.String())
		}
	}
	if err := c.putBeside(ctx, beforeData); err != nil {
		return err
	}
	if err := c.shipData(ctx); err != nil {
		return err
	}
	if err := c.putBeside(ctx, afterData); err != nil {
		return err
	}
	each(c.living(), func(l *landing) { l.Err = c.seal(ctx, l) })
	return nil
}

// seal makes the copy real in one vault.
func (c *copier) seal(ctx context.Context, l *landing) error {
	key := l.v.catalogKey(c.to, format.CaptureFile)
	there, err := l.v.getBytes(ctx, key, format.MaxDocument)
	if errors.Is(err, providers.ErrNotFound) || err == nil && !bytes.Equal(there, c.capture) {
		return &Error{Op: "copy to", Name: key, Err: fmt.Errorf("%w: it was removed or replaced while the backup was copied", ErrRefused),
			Hint: "A lifecycle rule or a person removed it. Copy the backup to another tier or prefix."}
	}
	if err != nil {
		return err
	}
	if _, err := l.v.checkAge(ctx, c.to); err != nil {
		return err
	}
	created, err := l.v.putBytes(ctx, l.v.catalogKey(c.to, format.ManifestFile), c.sealed)
	if err != nil {
		return err
	}
	if !created { // another copy was faster, or an answer was lost
		done, err := c.findCopy(ctx, l)
		if err == nil && !done {
			err = c.conflict(l.v.catalogKey(c.to, format.ManifestFile), "it was removed while the backup was copied")
		}
		return err
	}
	l.Manifest = c.manifest
	return nil
}
