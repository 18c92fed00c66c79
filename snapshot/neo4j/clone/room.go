package clone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// maxUsed is how full a pool may get while there is a clone: what is written to
// the original meanwhile takes space there, and a pool that is full stops the
// original as well.
const maxUsed = 0.95

// watchEvery is how often that is looked at.
const watchEvery = 5 * time.Second

// Used is how full that is what the clone takes space from, from 0 to 1: the file
// system, the pool, or a snapshot of fixed size. known is false where nobody can
// tell.
func (c *Clone) Used(ctx context.Context) (used float64, known bool, err error) {
	switch {
	case c.Via == ZFS:
		out, err := run(ctx, "zpool", "list", "-H", "-p", "-o", "capacity", c.Origin)
		return percent(out, err)
	case c.Via == LVM && c.Pool != "":
		out, err := run(ctx, "lvs", "--noheadings", "--options", "data_percent", c.Origin+"/"+c.Pool)
		return percent(out, err)
	case c.Via == LVM && c.at != "":
		out, err := run(ctx, "lvs", "--noheadings", "--options", "data_percent", c.Origin+"/"+c.Label)
		return percent(out, err)
	case c.Via == LVM:
		return 0, false, nil // lvcreate says whether there is room
	}
	return usedOf(c.root)
}

// percent reads a percentage: 87, 87.5, 87,50 or 87%.
func percent(out string, err error) (float64, bool, error) {
	if err != nil {
		return 0, false, err
	}
	text := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(out), "%"), ",", ".")
	n, err := strconv.ParseFloat(text, 64)
	const hundred = 100
	if err != nil || n < 0 || n > hundred {
		return 0, false, fmt.Errorf("%w: %.50q is no percentage", ErrTool, out)
	}
	return n / hundred, true, nil
}

// CheckRoom refuses a clone where there is no room for what will be written.
func (c *Clone) CheckRoom(ctx context.Context) error {
	used, known, err := c.Used(ctx)
	if err == nil && known && used >= maxUsed {
		err = fmt.Errorf("%w: %.0f%% of it are taken", ErrFull, 100*used)
	}
	return err
}

// Watch returns a context that is done, with ErrFull, when the pool gets too full
// for the clone to stay. The caller calls stop.
func (c *Clone) Watch(ctx context.Context, log *slog.Logger) (watched context.Context, stop func()) {
	return watch(ctx, c.CheckRoom, watchEvery, log)
}

func watch(ctx context.Context, check func(context.Context) error, every time.Duration, log *slog.Logger) (context.Context, func()) {
	watched, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-tick.C:
			}
			switch err := check(watched); {
			case err == nil || watched.Err() != nil:
			case errors.Is(err, ErrFull):
				cancel(err)
				return
			default:
				log.Warn("how full the pool is, is not known; it is not watched", "error", err)
				return
			}
		}
	}()
	return watched, func() {
		cancel(context.Canceled)
		<-done
	}
}
