//go:build linux || darwin

package files

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/snapshot/files/sys"
)

// lstat describes path itself, without following a symbolic link.
func lstat(path string) (inode, error) {
	var st unix.Stat_t
	err := sys.Retry(func() error { return unix.Lstat(path, &st) })
	if err != nil {
		return inode{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return newInode(&st), nil
}

// fstat describes an open file.
func fstat(f *os.File) (inode, error) {
	var st unix.Stat_t
	if err := sys.WithFD(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return inode{}, &fs.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return newInode(&st), nil
}

func newInode(st *unix.Stat_t) inode {
	n := inode{
		stamp: stamp{
			dev: uint64(st.Dev), ino: st.Ino, size: st.Size, //nolint:unconvert // 32 bits on darwin
			mtime: timestamp{int64(st.Mtim.Sec), int64(st.Mtim.Nsec)}, //nolint:unconvert // 32 bits on some systems
			ctime: timestamp{int64(st.Ctim.Sec), int64(st.Ctim.Nsec)}, //nolint:unconvert // 32 bits on some systems
		},
		mode: fileMode(uint32(st.Mode)), //nolint:unconvert // 16 bits on darwin
		uid:  st.Uid, gid: st.Gid,
		nlink:     uint64(st.Nlink), //nolint:unconvert // 16 bits on darwin
		allocated: st.Blocks * 512,
	}
	if n.mode&fs.ModeDevice != 0 {
		rdev := uint64(st.Rdev) //nolint:unconvert // 32 bits on darwin
		n.rdevMaj, n.rdevM = unix.Major(rdev), unix.Minor(rdev)
	}
	return n
}

func fileMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFREG:
	default:
		mode |= fs.ModeIrregular
	}
	if m&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if m&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if m&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// readable reports early what would fail later, after hours of upload.
func readable(path string) error {
	if os.Geteuid() == 0 {
		return nil // root is stopped by no mode; asking would cost a call an entry
	}
	err := sys.Retry(func() error { return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) })
	if err != nil {
		return &fs.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}
