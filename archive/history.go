package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/snapferry/snapferry/archive/memory"
	"github.com/snapferry/snapferry/providers"
)

// versions yields the versions of one key, oldest first; none without a
// history.
func (v *Vault) versions(ctx context.Context, key string) iter.Seq2[providers.Version, error] {
	return func(yield func(providers.Version, error) bool) {
		if v.opts.History == nil {
			return
		}
		for version, err := range v.opts.History.Versions(ctx, key) {
			if err == nil && version.Key != key {
				return // keys come sorted: it only begins like ours
			}
			if !yield(version, err) || err != nil {
				return
			}
		}
	}
}

// getRight reads a small object of at most limit bytes and lets check look at
// it. With a history it is the oldest version that check finds right: objects
// are created once, so what came later is not ours.
func (v *Vault) getRight(ctx context.Context, key string, limit int64, check func([]byte) error) error {
	for version, err := range v.versions(ctx, key) {
		if err != nil {
			return err
		}
		r, err := v.opts.History.GetVersion(ctx, version, 0, -1)
		if err != nil {
			return err
		}
		b, err := readLimited(r, key, limit)
		if err == nil {
			err = check(b)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrDamaged) {
			return err
		}
		v.opts.Log.Warn("version passed over", "key", key, "version", version.ID, "error", err)
	}
	b, err := v.getBytes(ctx, key, limit)
	if err != nil {
		return err
	}
	return check(b)
}

// fetchVersion is fetch of the oldest version that is right; nil if there is
// none.
func (v *Vault) fetchVersion(ctx context.Context, budget *memory.Budget, key string, size int64, sum string) (*memory.Buffer, error) {
	for version, err := range v.versions(ctx, key) {
		if err != nil {
			return nil, err
		}
		if version.Size != size {
			continue
		}
		r, err := v.opts.History.GetVersion(ctx, version, 0, -1)
		if err != nil {
			return nil, err
		}
		buf, h := budget.NewBuffer(), sha256.New()
		err = fillFrom(r, buf, size, h)
		if err == nil && hex.EncodeToString(h.Sum(nil)) == sum {
			v.opts.Log.Info("an older version is right", "key", key, "version", version.ID)
			return buf, nil
		}
		buf.Free()
		if err != nil && !errors.Is(err, memory.ErrSize) {
			return nil, err
		}
	}
	return nil, nil //nolint:nilnil // none is right, and no error
}

// readLimited reads all of r, at most limit bytes, and closes it.
func readLimited(r io.ReadCloser, key string, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	if int64(len(b)) > limit {
		return nil, damaged("get", key, fmt.Errorf("more than %d bytes", limit))
	}
	return b, nil
}
