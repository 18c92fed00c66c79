package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/providers"
)

// What was stored when the deadline passed is not sent again.
func TestDeadlineKeepsWhatIsStored(t *testing.T) {
	source, vault := sourceFile(t, 0), filepath.Join(t.TempDir(), "vault")
	if err := WriteMix(t.Context(), source+"-mix", "noise", 6<<20); err != nil {
		t.Fatal(err)
	}
	request := BackupRequest{Source: source + "-mix", Vaults: []Vault{{URL: vault}}}
	slow := Runner{Progress: &Progress{}, Tuning: Tuning{Segment: 256 << 10, Chunk: 256 << 10, Bandwidth: "1MiB:off", Transfers: 1}}
	ctx, cancel := WithDeadline(t.Context(), time.Now().Add(2*time.Second))
	defer cancel()
	_, err := slow.Backup(ctx, request)
	err = End(ctx, err)
	stored := slow.Progress.Status().Done
	if Classify(err) != Failed || !errors.Is(err, ErrDeadline) || !strings.Contains(err.Error(), "the deadline passed") || !strings.Contains(Hint(err), "same command") {
		t.Fatalf("%v, hint %q", err, Hint(err))
	}
	if stored == 0 || stored >= 6<<20 {
		t.Fatalf("%d bytes were stored in time", stored)
	}
	again := Runner{Tuning: slow.Tuning}
	again.Tuning.Bandwidth = ""
	report, err := again.Backup(t.Context(), request)
	if err != nil || !report.Resumed || report.ReusedBytes != stored {
		t.Errorf("%v: %+v, want %d bytes to be reused", err, report, stored)
	}
}

// A source that never delivers does not hold up a deadline.
func TestDeadlineOfABlockedSource(t *testing.T) {
	in, out := io.Pipe()
	defer func() { _ = out.Close() }()
	r := Runner{Stdin: in}
	ctx, cancel := WithDeadline(t.Context(), time.Now().Add(50*time.Millisecond))
	defer cancel()
	_, err := r.Backup(ctx, BackupRequest{Source: "-", Vaults: []Vault{{URL: t.TempDir()}}})
	if err = End(ctx, err); Classify(err) != Failed || !errors.Is(err, ErrDeadline) {
		t.Errorf("%v", err)
	}
}

func TestEnd(t *testing.T) {
	over, cancel := WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	<-over.Done()
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	other := errors.New("connection reset")
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want Class
		says string
	}{
		{t.Context(), nil, Done, ""},
		{t.Context(), other, Failed, "connection reset"},
		{over, nil, Done, ""}, // it was complete before
		{over, context.DeadlineExceeded, Failed, "the deadline passed"},
		{over, fmt.Errorf("put: %w", context.Canceled), Failed, "the deadline passed: put"},
		{over, other, Failed, "the deadline passed"},
		{over, archive.ErrDamaged, Damaged, "damaged"},
		{over, fmt.Errorf("%w: %w", ErrPartial, context.DeadlineExceeded), Partial, "partly done"},
		{over, providers.ErrNoBucket, NotFound, "bucket"},
		{interrupted, other, Interrupted, "connection reset"},
		{interrupted, context.Canceled, Interrupted, "canceled"},
		{interrupted, fmt.Errorf("%w: %w", ErrPartial, other), Partial, "partly done"},
	} {
		err := End(c.ctx, c.err)
		if Classify(err) != c.want || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v ends as %v", c.err, err)
		}
	}
}
