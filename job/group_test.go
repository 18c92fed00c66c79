package job

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/snapshot"
)

// lastSource is a source whose capture, once closed, ends the run.
type lastSource struct {
	snapshot.Source
	end context.CancelFunc
}

type lastCapture struct {
	snapshot.Capture
	end context.CancelFunc
}

func (e lastSource) Capture(ctx context.Context) (snapshot.Capture, error) {
	c, err := e.Source.Capture(ctx)
	return lastCapture{c, e.end}, err
}

func (c lastCapture) Close() error {
	c.end()
	return c.Capture.Close()
}

// A run that is ended between two sources is no success, though nothing failed.
func TestSeveralInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := (&Runner{Tuning: Tuning{Segment: 64 << 10, Chunk: 16 << 10}}).newSession()
	all, err := s.openAll(ctx, []Vault{{URL: t.TempDir()}}, func(context.Context, *opened) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer s.closeAll(all)
	var members []member
	for _, series := range []string{"first", "second"} {
		source, err := s.source(patterned(t, 1<<10))
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, member{lastSource{source, cancel}, archive.Spec{Series: series, Tier: lifecycle.Manual, Time: time.Now()}})
	}
	report, err := s.backUpAll(ctx, members, all, false)
	if report == nil || len(report.Members) != 1 || !report.Members[0].OK || !errors.Is(err, context.Canceled) || Classify(err) != Interrupted {
		t.Errorf("%+v, %v", report, err)
	}
}
