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
	"github.com/snapferry/snapferry/snapshot/neo4j"
)

// RestoreRequest says which backup goes where.
type RestoreRequest struct {
	Backup string // VAULT#REFERENCE
	Access
	Target string // path, file or neo4j+load URL, or -
	// Image restores this image alone, by its name or title; empty means all.
	Image string
	// Overwrite allows to replace what is at the target. A database that is
	// replaced stays beside, unless DropOld is set.
	Overwrite bool
	DropOld   bool
	// Stage puts the files of a backup of Neo4j into the folder Target, and says how
	// a server of the Enterprise edition makes a database of them.
	Stage bool
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
	var target snapshot.Target
	var err error
	if !req.Stage { // whose folder is looked at once it is known what is staged
		if target, err = s.target(req); err != nil {
			return nil, err
		}
	}
	e, err := s.openWhole(ctx, req.Backup, req.Access)
	if err != nil {
		return nil, err
	}
	defer s.close()
	parts, err := s.partsOf(ctx, e, req)
	if err != nil {
		return nil, err
	}
	seed, err := req.stageOf(parts)
	if err != nil {
		return nil, err
	}
	if seed != nil {
		if target, err = s.target(req); err != nil {
			return nil, err
		}
	}
	report := &RestoreReport{Seed: seed, Name: e.Name.String(), Vault: s.shown, Target: req.Target}
	if report.Thaw, err = s.warm(ctx, e, req.Thaw, needs(parts)); err != nil {
		if report.Thaw == nil {
			return nil, err
		}
		report.Run = s.run()
		return report, err
	}
	for _, p := range parts {
		if err := p.backup.Unlock(ctx); err != nil {
			return nil, err
		}
	}
	s.Progress.enter("restore")
	if err := restoreAll(ctx, parts, target); err != nil {
		if aerr := target.Abort(); aerr != nil {
			s.Log.Warn("target not cleaned up", "target", req.Target, "error", aerr)
		}
		return nil, explainTarget(req.Target, err)
	}
	for _, p := range parts {
		report.Images = append(report.Images, images(p.backup.Manifest.Images[p.image:p.image+1])...)
		report.RawBytes += p.backup.Manifest.Images[p.image].Size
	}
	report.Run = s.run()
	return report, nil
}

// part is one image that is restored.
type part struct {
	backup *archive.Backup
	image  int
}

// partsOf are the images that a request means: of a differential, also those of
// all that it builds on, which belong into one folder.
func (s *session) partsOf(ctx context.Context, e archive.Entry, req RestoreRequest) (parts []part, err error) {
	titles := map[string]bool{}
	var names []string
	for _, m := range e.Chain() {
		b, err := s.openWarm(ctx, m, req.Thaw)
		if err != nil {
			return nil, err
		}
		for i, im := range b.Manifest.Images {
			if names = append(names, im.Name); req.Image != "" && im.Name != req.Image && im.Title != req.Image {
				continue
			}
			if titles[im.Title] {
				return nil, &Error{Op: "restore", Name: e.Name.String(), Err: fmt.Errorf("%w: two backups of the chain have an image %s", archive.ErrDamaged, im.Title),
					Hint: "restore them one by one: " + m.Name.String()}
			}
			titles[im.Title] = true
			parts = append(parts, part{b, i})
		}
	}
	if len(parts) == 0 {
		return nil, &Error{Op: "find image", Name: req.Image, Err: archive.ErrNotFound, Hint: Suggest(req.Image, names)}
	}
	return parts, nil
}

// needs says which objects are read to restore images.
func needs(parts []part) func(key string) bool {
	return func(key string) bool {
		for _, p := range parts {
			if p.backup.Needs(p.image)(key) {
				return true
			}
		}
		return false
	}
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

// openWhole is openEntry, and refuses a differential of which something is
// missing.
func (s *session) openWhole(ctx context.Context, reference string, access Access) (archive.Entry, error) {
	e, err := s.openEntry(ctx, reference, access)
	if err != nil {
		return e, err
	}
	if err = e.CheckBase(); err != nil {
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
	u, err := s.parsePlace(path, "target", []string{providers.SchemeFile, neo4j.LoadScheme})
	if err != nil {
		return nil, err
	}
	loaded := u != nil && u.Scheme == neo4j.LoadScheme
	if req.DropOld && !loaded {
		return nil, usage("--drop-old", errors.New("it is for databases that are replaced"), "leave it out, or restore into "+neo4j.LoadScheme+":///DB?home=DIR")
	}
	if loaded {
		return neo4j.OpenTarget(u, neo4j.LoadOptions{Options: s.neo4jOptions(), Overwrite: req.Overwrite, DropOld: req.DropOld})
	}
	if u != nil {
		if path, err = filePath(u); err != nil {
			return nil, err
		}
	}
	return restore.Target(path, restore.Options{Overwrite: req.Overwrite, Stdout: s.Stdout, Log: s.Log})
}

func restoreAll(ctx context.Context, parts []part, target snapshot.Target) error {
	for _, p := range parts {
		if err := restoreImage(ctx, p.backup, p.image, len(parts) == 1, target); err != nil {
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
