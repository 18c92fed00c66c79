//go:build linux

package clone

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

func TestUsed(t *testing.T) {
	for name, c := range map[string]struct {
		clone  Clone
		answer string
		calls  string
		want   float64
		full   bool
	}{
		"zfs":       {Clone{Via: ZFS, Origin: "tank"}, "echo 42", "zpool list -H -p -o capacity tank", 0.42, false},
		"full zfs":  {Clone{Via: ZFS, Origin: "tank"}, "echo 95", "zpool list -H -p -o capacity tank", 0.95, true},
		"thin lvm":  {Clone{Via: LVM, Origin: "vg0", Pool: "pool", Label: label}, "echo '  97,25'", "lvs --noheadings --options data_percent vg0/pool", 0.9725, true},
		"thick lvm": {Clone{Via: LVM, Origin: "vg0", Label: label, at: "/x"}, "echo '  3.10'", "lvs --noheadings --options data_percent vg0/" + label, 0.031, false},
	} {
		k := newTools(t, map[string]string{"zpool": c.answer, "lvs": c.answer})
		used, known, err := c.clone.Used(t.Context())
		if err != nil || !known || used != c.want {
			t.Errorf("%s: %v, %t, %v", name, used, known, err)
		}
		k.want(c.calls)
		if err := c.clone.CheckRoom(t.Context()); errors.Is(err, ErrFull) != c.full {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, known, err := (&Clone{Via: LVM, Origin: "vg0", Label: label}).Used(t.Context()); known || err != nil {
		t.Errorf("a thick volume before its snapshot: %t, %v", known, err)
	}
	if used, known, err := (&Clone{Via: Command, root: t.TempDir()}).Used(t.Context()); err != nil || !known || used <= 0 || used >= 1 {
		t.Errorf("a file system: %v, %t, %v", used, known, err)
	}
	for _, answer := range []string{"exit 1", "echo", "echo many", "echo 101", "echo -1"} {
		newTools(t, map[string]string{"zpool": answer})
		if _, known, err := (&Clone{Via: ZFS, Origin: "tank"}).Used(t.Context()); known || !errors.Is(err, ErrTool) {
			t.Errorf("%s: %t, %v", answer, known, err)
		}
	}
}

// A pool that fills up ends the work; one that cannot be looked at does not.
func TestWatch(t *testing.T) {
	looks := 0
	ctx, stop := watch(t.Context(), func(context.Context) error {
		if looks++; looks < 3 {
			return nil
		}
		return ErrFull
	}, time.Millisecond, slog.New(slog.DiscardHandler))
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), ErrFull) || looks != 3 {
		t.Errorf("%v after %d looks", context.Cause(ctx), looks)
	}
	stop()
	looked := make(chan struct{})
	ctx, stop = watch(t.Context(), func(context.Context) error { close(looked); return ErrTool }, time.Millisecond, slog.New(slog.DiscardHandler))
	<-looked
	if ctx.Err() != nil {
		t.Errorf("%v", context.Cause(ctx))
	}
	stop()
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("%v", context.Cause(ctx))
	}
}
