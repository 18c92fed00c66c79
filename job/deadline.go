package job

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrDeadline is the cause of a run that ended because its time was over.
var ErrDeadline = errors.New("the deadline passed")

// WithDeadline returns a context that ends at that instant, which End tells
// from an interruption.
func WithDeadline(ctx context.Context, at time.Time) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(ctx, at, ErrDeadline)
}

// End returns the error of a run under ctx as it is to be told: where ctx
// ended, and the run failed for no reason of its own, the end of ctx is why.
func End(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	class := Classify(err)
	if class == Partial || errors.Is(err, ErrDeadline) {
		return err
	}
	if !errors.Is(context.Cause(ctx), ErrDeadline) {
		if class == Interrupted {
			return err
		}
		return &Error{Op: "run", Name: "snapferry", Err: fmt.Errorf("%w: %w", ctx.Err(), err)}
	}
	if class != Failed && class != Interrupted {
		return err
	}
	// What was cancelled on the way must not look like an interruption.
	return &Error{Op: "run", Name: "snapferry", Err: fmt.Errorf("%w: %v", ErrDeadline, err),
		Hint: "run the same command again: what is stored already of a file or a folder is not sent twice; a later --deadline gives it more time"}
}
