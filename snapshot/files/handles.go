package files

import "sync"

// handleCache keeps a few large files open between the reads of their parts.
type handleCache struct {
	mu     sync.Mutex
	open   map[int64]*handle // by the place of the entry in the tar
	clock  int64
	closed bool
}

// maxIdle is how many files stay open without a reader. Readers go through a
// tar in order, so that only the last few are asked for again.
const maxIdle = 8

type handle struct {
	file rawFile
	refs int
	used int64
}

// acquire returns the file of an entry, opened by open if it is not yet. Files
// are opened one at a time, so that no two readers open the same. The caller
// calls release.
func (c *handleCache) acquire(key int64, open func() (rawFile, error)) (rawFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.open[key]
	if h == nil {
		f, err := open()
		if err != nil {
			return f, err
		}
		h = &handle{file: f}
		if c.open == nil {
			c.open = map[int64]*handle{}
		}
		c.open[key] = h
	}
	h.refs++
	return h.file, nil
}

func (c *handleCache) release(key int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.open[key]
	h.refs--
	c.clock++
	h.used = c.clock
	for c.evictOne() {
	}
}

// evictOne closes the file that rested longest, if too many do.
func (c *handleCache) evictOne() bool {
	idle, oldest, at := 0, (*handle)(nil), int64(0)
	for key, h := range c.open {
		if h.refs > 0 {
			continue
		}
		idle++
		if oldest == nil || h.used < oldest.used {
			oldest, at = h, key
		}
	}
	if oldest == nil || (idle <= maxIdle && !c.closed) {
		return false
	}
	oldest.file.close()
	delete(c.open, at)
	return true
}

// close closes what rests; what is still read is closed when it is released.
func (c *handleCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.evictOne() {
	}
}
