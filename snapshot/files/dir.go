package files

import (
	"context"
	"crypto/sha256"

	"github.com/snapferry/snapferry/snapshot"
)

// dirCapture is the state of a directory: the list of its entries.
type dirCapture struct {
	image *tarImage
	info  snapshot.Info
	name  string
	gaps  bool // some file may have holes
}

// captureDir lists the directory. Nothing in it is opened yet.
func (s *source) captureDir(ctx context.Context, target string) (_ snapshot.Capture, err error) {
	list, err := newEntryList(s.opts.TempDir)
	if err != nil {
		return nil, captureError(s.opts.TempDir, err)
	}
	defer func() {
		if err != nil {
			_ = list.close()
		}
	}()
	owners := newOwnerNames()
	w := &walker{
		ctx: ctx, root: target, list: list, sum: sha256.New(), header: headerMaker{owners: owners},
		links: map[fileID]*firstName{}, log: s.opts.Log,
	}
	w.sum.Write(fingerprintHead("directory", s))
	if err := w.visit("."); err != nil {
		return nil, err
	}
	if err := list.seal(); err != nil {
		return nil, captureError(s.opts.TempDir, err)
	}
	settle(w.newest)
	c := &dirCapture{
		name:  s.Name() + ".tar",
		image: &tarImage{root: target, list: list, owners: owners},
		gaps:  w.sparse,
		info: snapshot.Info{
			Identity:  snapshot.Identity{Type: "directory", Host: s.opts.Host, Path: s.path},
			Resumable: true,
			Facts:     w.counts.facts(),
		},
	}
	w.sum.Sum(c.info.Fingerprint[:0])
	return c, nil
}

func (c *dirCapture) Info() snapshot.Info { return c.info }

func (c *dirCapture) Images() []snapshot.Image {
	image := snapshot.Image{Name: c.name, Form: snapshot.FormTar, Size: c.image.size(), Data: c.image}
	if c.gaps {
		image.Extents = c.image.extents
	}
	return []snapshot.Image{image}
}

func (c *dirCapture) Check(ctx context.Context) error { return c.image.check(ctx) }

func (c *dirCapture) Close() error { return c.image.close() }
