package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/snapferry/snapferry/archive"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/files/restore"
)

// RestoreRequest says which backup goes where.
type RestoreRequest struct {
	Backup string // VAULT#REFERENCE
	Access
	Target string // path, file URL, or -
	// Image restores this image alone, by its name or title; empty means all.
	Image string
	// Overwrite allows to replace what is at the target.
	Overwrite bool
	// Thaw is for what is in archive classes.
	Thaw Thaw
}

// Restore brings a backup back. Only bytes that were found right are written,
// and nothing shows at the target before all of them are; a stream as target
// gets them as they come. What is archived is thawed first if the request says
// so; until it is, nothing is written, and the report tells what was asked for.
func (r *Runner) Restore(ctx context.Context, req RestoreRequest) (*RestoreReport, error) {
	s := r.newSession()
	if err := req.Thaw.check(); err != nil {
		return nil, err
	}
	target, err := s.target(req)
	if err != nil {
		return nil, err
	}
	e, err := s.openEntry(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	b, err := s.openWarm(ctx, e, req.Thaw)
	if err != nil {
		return nil, err
	}
	picked, err := pickImages(b, req.Image)
	if err != nil {
		return nil, err
	}
	report := &RestoreReport{Name: b.Name.String(), Vault: s.shown, Target: req.Target}
	if report.Thaw, err = s.warm(ctx, e, req.Thaw, b.Needs(picked...)); err != nil {
		if report.Thaw == nil {
			return nil, err
		}
		report.Run = s.run()
		return report, err
	}
	if err := b.Unlock(ctx); err != nil {
		return nil, err
	}
	s.Progress.enter("restore")
	if err := restoreAll(ctx, b, picked, target); err != nil {
		if aerr := target.Abort(); aerr != nil {
			s.Log.Warn("target not cleaned up", "target", req.Target, "error", aerr)
		}
		return nil, explainTarget(req.Target, err)
	}
	for _, i := range picked {
		report.Images = append(report.Images, images(b.Manifest.Images[i:i+1])...)
		report.RawBytes += b.Manifest.Images[i].Size
	}
	report.Run = s.run()
	return report, nil
}

// openEntry opens the vault of a reference and finds the backup. Without an
// error the caller closes the session.
func (s *session) openEntry(ctx context.Context, reference string, access Access) (archive.Entry, error) {
	vault, ref, err := splitReference(reference)
	if err != nil {
		return archive.Entry{}, err
	}
	if err := s.open(ctx, Vault{URL: vault, Access: access}); err != nil {
		return archive.Entry{}, err
	}
	e, err := s.find(ctx, ref)
	if err != nil {
		s.close()
	}
	return e, err
}

// openBackup opens the vault and the backup of a reference. Without an error
// the caller closes the session.
func (s *session) openBackup(ctx context.Context, reference string, access Access) (*archive.Backup, error) {
	e, err := s.openEntry(ctx, reference, access)
	if err != nil {
		return nil, err
	}
	b, err := s.vault.Open(ctx, e.Name)
	if err != nil {
		s.close()
	}
	return b, err
}

func (s *session) target(req RestoreRequest) (snapshot.Target, error) {
	path := req.Target
	if path == "" {
		return nil, usage(`""`, errors.New("the target is empty"), "give the path of a file, a folder or a device, or - for standard output")
	}
	u, err := s.parsePlace(path, "target", []string{providers.SchemeFile})
	if err != nil {
		return nil, err
	}
	if u != nil {
		if path, err = filePath(u); err != nil {
			return nil, err
		}
	}
	return restore.Target(path, restore.Options{Overwrite: req.Overwrite, Stdout: s.Stdout, Log: s.Log})
}

// pickImages returns the numbers of the images to restore.
func pickImages(b *archive.Backup, name string) ([]int, error) {
	if name != "" {
		i, ok := b.Image(name)
		if !ok {
			return nil, &Error{Op: "find image", Name: name, Err: archive.ErrNotFound, Hint: Suggest(name, imageNames(b))}
		}
		return []int{i}, nil
	}
	picked := make([]int, len(b.Manifest.Images))
	for i := range picked {
		picked[i] = i
	}
	return picked, nil
}

func imageNames(b *archive.Backup) []string {
	names := make([]string, len(b.Manifest.Images))
	for i, im := range b.Manifest.Images {
		names[i] = im.Name
	}
	return names
}

func restoreAll(ctx context.Context, b *archive.Backup, picked []int, target snapshot.Target) error {
	for _, i := range picked {
		if err := restoreImage(ctx, b, i, len(picked) == 1, target); err != nil {
			return err
		}
	}
	return target.Commit(ctx)
}

func restoreImage(ctx context.Context, b *archive.Backup, i int, sole bool, target snapshot.Target) error {
	im := b.Manifest.Images[i]
	sink, err := target.Create(ctx, snapshot.ImageInfo{Name: im.Title, Form: im.Form, Size: im.Size, Sole: sole})
	if err != nil {
		return err
	}
	switch sink := sink.(type) {
	case snapshot.RandomSink:
		err = b.RestoreAt(ctx, i, sink)
	case snapshot.StreamSink:
		err = b.RestoreStream(ctx, i, sink)
	default:
		err = fmt.Errorf("restore %s: its target takes neither ranges nor a stream", im.Name)
	}
	// The error of a sink that was cut short is a consequence, not the cause.
	if cerr := sink.Close(); err == nil {
		err = cerr
	}
	return err
}

// explainTarget names the target in an error that comes from the system.
func explainTarget(target string, err error) error {
	var known *snapshot.Error
	if errors.As(err, &known) || !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	if strings.Contains(err.Error(), target) {
		return err
	}
	return &Error{Op: "restore to", Name: target, Err: err, Hint: "free space there, or restore to another place; nothing was left behind"}
}
