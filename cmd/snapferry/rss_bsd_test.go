//go:build unix && !linux

package main

import (
	"fmt"
	"io/fs"
	"syscall"
)

func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss }

func inode(info fs.FileInfo) string { return fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino, " ") }
