package neo4j

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/snapferry/snapferry/snapshot"
)

// captureDown ships a dump while the server is down: no room is needed for it, and
// the server serves again only when all of it was read. The scratch folder has
// the marker of the stopped server, and nothing else.
func (s *source) captureDown(ctx context.Context, info snapshot.Info) (_ snapshot.Capture, err error) {
	folder, err := s.openFolder()
	if err != nil {
		return nil, err
	}
	if _, err := s.recoverServer(ctx, folder); err != nil {
		return nil, errors.Join(err, folder.release())
	}
	s.options.Log.Warn("the server is down until the dump is shipped: as long as the upload takes")
	c := &downCapture{folder: folder, source: s, read: make(chan struct{}), served: make(chan struct{})}
	s.ready = &ready{folder: folder}
	started := make(chan error, 1)
	go func() {
		defer close(c.served)
		_, _, err := whileStopped(ctx, []*source{s}, func(ctx context.Context) error {
			var err error
			if info.Facts, err = s.facts(ctx, s.at); err != nil {
				return err
			}
			if c.Capture, err = s.captureStream(ctx, info); err != nil {
				return err
			}
			c.dump = c.Capture.Images()[0].Stream
			started <- nil
			// An upload that stalls reads nothing, and must not keep the server down.
			select {
			case <-c.read:
				return c.Capture.Close()
			case <-ctx.Done():
				return errors.Join(context.Cause(ctx), c.Capture.Close())
			}
		})
		s.ready = nil
		c.err = err
		started <- err
	}()
	if err := <-started; err != nil {
		<-c.served
		return nil, errors.Join(err, folder.clear(), folder.release())
	}
	return c, nil
}

// downCapture is a dump that is read while the server is down.
type downCapture struct {
	snapshot.Capture
	source *source
	folder *scratch
	dump   io.Reader

	once   sync.Once
	read   chan struct{} // closed once nothing more is read
	served chan struct{} // closed once the server serves again, or err says why not
	err    error
}

func (c *downCapture) Images() []snapshot.Image {
	images := c.Capture.Images()
	images[0].Stream = c
	return images
}

// Read reads the dump. After its end the server is started at once.
func (c *downCapture) Read(p []byte) (int, error) {
	n, err := c.dump.Read(p)
	if err != nil {
		c.start()
	}
	return n, err
}

func (c *downCapture) start() { c.once.Do(func() { close(c.read) }) }

// Close waits until the server serves again. That it does not is an error, with a
// backup that is good all the same.
func (c *downCapture) Close() error {
	c.start()
	<-c.served
	if err := errors.Join(c.err, c.folder.clear(), c.folder.release()); err != nil {
		return c.source.admin.fail("close", err)
	}
	return nil
}
