package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"time"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/snapshot"
)

// BackupRequest says what to back up, and where to.
type BackupRequest struct {
	Source string // URL, path, or -
	// Vaults take the backup, each by itself; at least one.
	Vaults []Vault
	Tier   string // empty: the longest period that has none yet; of a vault that keeps nothing for a time: manual
	Job    string // names the series; empty: the source's own name
	// Time is the scheduled instant; zero means now.
	Time time.Time
	// Adopt lets the series pass from another source to this one.
	Adopt bool
	// AllowEmpty lets a source without a single byte be backed up.
	AllowEmpty bool
}

// Backup captures the source once and makes a backup of it in every vault, or
// continues one of the same state of the source. Nothing of the source is
// taken before a vault has answered. It returns no error only if the backup
// is complete in all of them; with ErrPartial it is complete in at least one,
// and something else failed. A source that is several, such as the databases of
// a server, has a backup of each, in a series of its own.
func (r *Runner) Backup(ctx context.Context, req BackupRequest) (_ *BackupReport, err error) {
	s := r.newSession()
	spec, err := s.spec(req)
	if err != nil {
		return nil, err
	}
	group, several, err := s.group(req.Source)
	if err != nil {
		return nil, err
	}
	members, err := s.members(ctx, group, spec, several)
	if err != nil {
		return nil, err
	}
	// A wrong password or a missing bucket must show before a database is
	// dumped.
	all, err := s.openAll(ctx, req.Vaults, func(ctx context.Context, o *opened) error {
		if err := o.checkLockable(ctx); err != nil {
			return err
		}
		if err := s.rotate(ctx, o, o.asked); err != nil {
			return err
		}
		for _, m := range members {
			if _, _, err := o.vault.List(ctx, m.spec.Series); err != nil {
				return err
			}
		}
		return nil
	})
	defer s.closeAll(all)
	if err != nil {
		return nil, err
	}
	if !several {
		return s.backUp(ctx, members[0].source, members[0].spec, all, req.AllowEmpty)
	}
	s.Progress.enter("capture")
	if err := group.Prepare(ctx); err != nil {
		return nil, err
	}
	defer s.closeGroup(group, &err)
	return s.backUpAll(ctx, members, all, req.AllowEmpty)
}

// backUp captures the source, makes a backup of it, and leaves the source as
// it was.
func (s *session) backUp(ctx context.Context, source snapshot.Source, spec archive.Spec, all targets, allowEmpty bool) (*BackupReport, error) {
	if err := s.extend(ctx, source, spec, all); err != nil {
		return nil, err
	}
	s.Progress.enter("capture")
	capture, err := source.Capture(ctx)
	if err != nil {
		return nil, err
	}
	report, err := s.ship(ctx, capture, spec, all, allowEmpty)
	if cerr := capture.Close(); cerr != nil {
		if err == nil {
			err = fmt.Errorf("%w: the backup is complete, but the source was not left as it should be: %w", ErrPartial, cerr)
		} else {
			s.Log.Warn("source not left as it should be", "error", cerr)
		}
	}
	if report != nil {
		report.Run = s.run(all.opened()...)
	}
	return report, err
}

// spec checks the choices of a request.
func (s *session) spec(req BackupRequest) (archive.Spec, error) {
	spec := archive.Spec{Series: req.Job, Time: req.Time, Adopt: req.Adopt}
	if err := checkVaults(req.Vaults); err != nil {
		return spec, err
	}
	if req.Job != "" {
		if err := format.CheckName(req.Job); err != nil {
			return spec, usage("--job "+req.Job, err, "for instance --job "+format.FitName(req.Job))
		}
	}
	if req.Tier != "" {
		tier, err := lifecycle.ParseTier(req.Tier)
		if err != nil {
			return spec, usage("--tier "+req.Tier, errors.New("no such tier"), Suggest(req.Tier, tierNames()))
		}
		spec.Tier = tier
	}
	if spec.Time.IsZero() {
		spec.Time = s.Now()
	}
	return spec, nil
}

func tierNames() []string {
	var names []string
	for _, t := range lifecycle.Tiers() {
		names = append(names, string(t))
	}
	return names
}

// ship makes a backup of the capture in all vaults.
func (s *session) ship(ctx context.Context, capture snapshot.Capture, spec archive.Spec, all targets, allowEmpty bool) (*BackupReport, error) {
	if err := describe(ctx, capture, &spec, allowEmpty); err != nil {
		return nil, err
	}
	if s.together != "" {
		spec.Facts = maps.Clone(spec.Facts)
		spec.Facts["run"] = s.together
	}
	for _, t := range all.living() {
		if err := t.apart(spec.Source); err != nil {
			return nil, err
		}
	}
	s.Progress.enter("ship")
	s.begin(ctx, spec, all)
	shipping := all.living()
	writers := make([]*archive.Writer, len(shipping))
	for i, t := range shipping {
		writers[i] = t.writer
	}
	for i, err := range archive.Ship(ctx, writers...) {
		shipping[i].err = err
	}
	if len(all.living()) > 0 {
		if err := capture.Check(ctx); err != nil {
			return nil, err
		}
	}
	all.each(func(t *target) { t.made, t.err = t.writer.Commit(ctx) })
	short := s.warnShort(all)
	for _, t := range all.living() {
		s.Log.Info("backup complete", "backup", t.writer.Name().String(), "vault", t.shown, "raw_bytes", t.made.RawBytes, "stored_bytes", t.made.StoredBytes)
	}
	err := s.outcome(ctx, spec.Source.String(), all)
	if err == nil {
		err = short
	}
	return s.reportAll(spec, all), err
}

// describe completes the spec with what was captured.
func describe(ctx context.Context, capture snapshot.Capture, spec *archive.Spec, allowEmpty bool) error {
	info := capture.Info()
	spec.Source, spec.Parent = format.Identity(info.Identity), info.Parent
	spec.Fingerprint, spec.Resumable, spec.Facts = info.Fingerprint, info.Resumable, info.Facts
	var err error
	if spec.Images, err = adapt(ctx, capture.Images(), allowEmpty); err == nil && !allowEmpty && hollow(info) {
		err = ErrEmpty
	}
	if errors.Is(err, ErrEmpty) {
		return &Error{Op: "back up", Name: spec.Source.String(), Err: err,
			Hint: "check that what should be there is there: a program that failed, a disk that is not mounted; --allow-empty backs it up all the same"}
	}
	return err
}

// begin begins the backup in every vault that is left.
func (s *session) begin(ctx context.Context, spec archive.Spec, all targets) {
	living := all.living()
	vaults := make([]*archive.Vault, len(living))
	for i, t := range living {
		vaults[i] = t.vault
	}
	writers, errs := archive.BeginAll(ctx, spec, vaults...)
	for i, t := range living {
		if t.err = errs[i]; t.err == nil {
			t.writer = writers[i]
			s.Log.Info("backup begun", "backup", t.writer.Name().String(), "vault", t.shown, "resumed", t.writer.Resumed())
		}
	}
}

// reportAll tells of the first vault that has the backup, and of each if there
// are several. It is nil if none has it.
func (s *session) reportAll(spec archive.Spec, all targets) *BackupReport {
	living := all.living()
	if len(living) == 0 {
		return nil
	}
	first := living[0].report(spec)
	report := &BackupReport{Backup: first.Backup, Resumed: first.Resumed, ReusedBytes: first.ReusedBytes, Levels: first.Levels}
	if len(all) > 1 {
		for _, t := range all {
			report.Vaults = append(report.Vaults, t.report(spec))
		}
	}
	return report
}

// hollow reports whether a folder has nothing in it: a tar of it is not empty,
// but that a disk is not mounted looks like this.
func hollow(info snapshot.Info) bool {
	if info.Identity.Type != "directory" || info.Facts["directories"] != "1" {
		return false
	}
	for _, kind := range []string{"files", "symlinks", "hard_links", "special_files", "skipped"} {
		if info.Facts[kind] != "0" {
			return false
		}
	}
	return true
}

// adapt turns the images of a capture into those of the archive. Sources that
// hold nothing are ErrEmpty unless that is allowed.
func adapt(ctx context.Context, all []snapshot.Image, allowEmpty bool) ([]archive.Image, error) {
	images := make([]archive.Image, 0, len(all))
	empty := true
	for _, im := range all {
		stream := im.Stream
		if stream != nil {
			var some bool
			var err error
			if some, stream, err = peek(ctx, stream); err != nil {
				return nil, fmt.Errorf("read %s: %w", im.Name, err)
			}
			empty = empty && !some
		} else {
			empty = empty && im.Size == 0
		}
		images = append(images, archive.Image{Title: im.Name, Form: im.Form, Size: im.Size, Data: im.Data,
			Extents: adaptExtents(im.Extents), Stream: stream, Compressed: im.Compressed})
	}
	if empty && !allowEmpty {
		return nil, ErrEmpty
	}
	return images, nil
}

func adaptExtents(extents func(context.Context) iter.Seq2[snapshot.Extent, error]) func(context.Context) iter.Seq2[format.Extent, error] {
	if extents == nil {
		return nil
	}
	return func(ctx context.Context) iter.Seq2[format.Extent, error] {
		return func(yield func(format.Extent, error) bool) {
			for e, err := range extents(ctx) {
				if !yield(format.Extent(e), err) {
					return
				}
			}
		}
	}
}

// peek waits for the first byte of a stream, so that an empty one leaves no
// trace in the vault. The reader it returns has all of the stream. If ctx ends
// first, a read that is under way is left behind.
func peek(ctx context.Context, r io.Reader) (some bool, whole io.Reader, err error) {
	first := &firstByte{r: r, done: make(chan struct{})}
	go first.read()
	select {
	case <-first.done:
	case <-ctx.Done():
		return false, nil, ctx.Err()
	}
	if first.err != nil && !errors.Is(first.err, io.EOF) {
		return false, nil, first.err
	}
	if first.n == 0 {
		return false, first.r, nil
	}
	return true, first, nil
}

// firstByte reads as r does, after its first byte was read ahead.
type firstByte struct {
	r    io.Reader
	done chan struct{}
	b    [1]byte
	n    int
	err  error
}

func (f *firstByte) read() {
	defer close(f.done)
	f.n, f.err = io.ReadFull(f.r, f.b[:])
}

// Read returns the byte that was read ahead, then what follows.
func (f *firstByte) Read(p []byte) (int, error) {
	if f.n > 0 && len(p) > 0 {
		p[0], f.n = f.b[0], 0
		return 1, nil
	}
	return f.r.Read(p)
}
