package local

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"time"
)

const (
	// tmpDir holds files that have no name yet, where the system cannot do
	// without. It begins with a dot, so nothing in it is an object.
	tmpDir    = ".tmp"
	tmpSuffix = ".part"
	// staleAfter is the age at which a temporary file has no writer any more.
	staleAfter = 24 * time.Hour
)

// sweepOnce removes what killed processes left in .tmp, on the first write of
// a bucket. It is best effort: a file that stays costs space, nothing else.
func (b *Bucket) sweepOnce(root *os.Root) {
	b.mu.Lock()
	done := b.swept
	b.swept = true
	b.mu.Unlock()
	if done {
		return
	}
	if _, err := root.Lstat(tmpDir); err != nil {
		return
	}
	if err := sweep(root); err != nil {
		b.opts.Logger().Warn("remove stale temporary files", "folder", b.dir, "error", err)
	}
}

// sweep compares the times of files with that of a new file, which is the
// clock that stamped them, also on a network file system.
func sweep(root *os.Root) error {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	probe := tmpDir + "/" + hex.EncodeToString(random[:]) + tmpSuffix
	f, err := root.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() { _ = root.Remove(probe) }() // stale tomorrow
	fi, err := f.Stat()
	_ = f.Close() // nothing was written
	if err != nil {
		return err
	}
	tmp, err := root.OpenRoot(tmpDir)
	if err != nil {
		return err
	}
	defer func() { _ = tmp.Close() }() // holds nothing
	return removeBefore(tmp, fi.ModTime().Add(-staleAfter))
}

func removeBefore(tmp *os.Root, limit time.Time) error {
	d, err := tmp.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // opened for reading
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		fi, err := tmp.Lstat(name)
		if err != nil || !fi.Mode().IsRegular() || !strings.HasSuffix(name, tmpSuffix) || !fi.ModTime().Before(limit) {
			continue
		}
		if err := tmp.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}
