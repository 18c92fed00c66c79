package job

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// maxWarnings bounds what a report repeats of the log.
const maxWarnings = 100

// warnings are the lines of a run that its report repeats.
type warnings struct {
	mu    sync.Mutex
	lines []string
	more  int
}

func (w *warnings) add(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) < maxWarnings {
		w.lines = append(w.lines, line)
		return
	}
	w.more++
}

func (w *warnings) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more > 0 {
		return append(w.lines[:len(w.lines):len(w.lines)], fmt.Sprintf("and %d more; see the log", w.more))
	}
	return w.lines
}

// collector passes records on and keeps the warnings among them, whether the
// log shows them or not.
type collector struct {
	next  slog.Handler
	into  *warnings
	attrs string // of With, as text
}

// Enabled reports true for warnings.
func (c *collector) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || c.next.Enabled(ctx, level)
}

// Handle keeps a warning and passes the record on.
func (c *collector) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		var b strings.Builder
		b.WriteString(r.Message + c.attrs)
		r.Attrs(func(a slog.Attr) bool {
			fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
			return true
		})
		c.into.add(b.String())
	}
	if !c.next.Enabled(ctx, r.Level) {
		return nil
	}
	return c.next.Handle(ctx, r)
}

// WithAttrs returns a collector into the same list.
func (c *collector) WithAttrs(attrs []slog.Attr) slog.Handler {
	text := c.attrs
	for _, a := range attrs {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	return &collector{next: c.next.WithAttrs(attrs), into: c.into, attrs: text}
}

// WithGroup returns a collector into the same list; the names in it stay
// without the group.
func (c *collector) WithGroup(name string) slog.Handler {
	return &collector{next: c.next.WithGroup(name), into: c.into, attrs: c.attrs}
}
