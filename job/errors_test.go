package job_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/job"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/snapshot"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want job.Class
	}{
		{nil, job.Done},
		{errors.New("anything"), job.Failed},
		{providers.ErrCredentials, job.Failed},
		{providers.ErrNoSpace, job.Failed},
		{context.DeadlineExceeded, job.Failed},
		{archive.ErrChanged, job.Failed},
		{snapshot.ErrChanged, job.Failed},
		{job.ErrUsage, job.Usage},
		{snapshot.ErrUsage, job.Usage},
		{providers.ErrInvalidURL, job.Usage},
		{archive.ErrAmbiguous, job.Usage},
		{archive.ErrInvalid, job.Usage},
		{fmt.Errorf("%w: closing failed: %w", job.ErrPartial, archive.ErrDamaged), job.Partial},
		{archive.ErrDamaged, job.Damaged},
		{fmt.Errorf("%w: %w", archive.ErrDamaged, providers.ErrNotFound), job.Damaged},
		{archive.ErrNotFound, job.NotFound},
		{snapshot.ErrNotFound, job.NotFound},
		{providers.ErrNoBucket, job.NotFound},
		{archive.ErrRefused, job.Refused},
		{snapshot.ErrNotEmpty, job.Refused},
		{snapshot.ErrUnsafe, job.Refused},
		{job.ErrEmpty, job.Refused},
		{context.Canceled, job.Interrupted},
		{&providers.Error{Op: "put", Key: "k", Err: context.Canceled}, job.Interrupted},
	} {
		if got := job.Classify(c.err); got != c.want {
			t.Errorf("%v is of class %d, want %d", c.err, got, c.want)
		}
		if wrapped := fmt.Errorf("around: %w", c.err); c.err != nil && job.Classify(wrapped) != c.want {
			t.Errorf("%v is of class %d, want %d", wrapped, job.Classify(wrapped), c.want)
		}
	}
}

// The outermost layer that has a hint gives it; without any there is still one.
func TestHint(t *testing.T) {
	inner := &providers.Error{Op: "get", Key: "k", Err: providers.ErrDenied, Hint: "inner"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{inner, "inner"},
		{&job.Error{Op: "x", Name: "y", Err: inner, Hint: "outer"}, "outer"},
		{&job.Error{Op: "x", Name: "y", Err: inner}, "inner"},
		{fmt.Errorf("one: %w, two: %w", errors.New("none"), fmt.Errorf("deep: %w", inner)), "inner"},
		{errors.Join(errors.New("none"), &snapshot.Error{Err: errors.New("x"), Hint: "third"}), "third"},
		{&archive.Error{Op: "find", Err: archive.ErrNotFound, Hint: "fourth"}, "fourth"},
	} {
		if got := job.Hint(c.err); got != c.want {
			t.Errorf("the hint of %v is %q, want %q", c.err, got, c.want)
		}
	}
	seen := map[string]bool{}
	for _, err := range []error{errors.New("x"), job.ErrUsage, job.ErrPartial, archive.ErrDamaged, archive.ErrNotFound, archive.ErrRefused,
		context.Canceled, syscall.ENOSPC, fs.ErrPermission, snapshot.ErrChanged, providers.ErrStalled} {
		hint := job.Hint(err)
		if hint == "" || seen[hint] {
			t.Errorf("the hint of %v is %q", err, hint)
		}
		seen[hint] = true
	}
}
