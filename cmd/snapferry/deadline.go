package main

import (
	"context"
	"errors"
	"time"

	"github.com/snapferry/snapferry/job"
)

// within returns the context of a run that has to end by --deadline.
func (o *engineOptions) within(ctx context.Context, d *deps) (context.Context, context.CancelFunc, error) {
	if o.deadline == "" {
		return ctx, func() {}, nil
	}
	at, err := parseDeadline(o.deadline, d.now())
	if err != nil {
		return nil, nil, refused("--deadline "+o.deadline, err, "write a time such as 2h or 90m, or an instant such as 2026-11-22T06:00:00Z")
	}
	ctx, cancel := job.WithDeadline(ctx, at)
	return ctx, cancel, nil
}

// parseDeadline reads a time from now on, or an instant.
func parseDeadline(s string, now time.Time) (time.Time, error) {
	if after, err := time.ParseDuration(s); err == nil {
		if after <= 0 {
			return time.Time{}, errNegative
		}
		return now.Add(after), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, errors.New("it is neither a time nor an instant")
	}
	return at, nil
}
