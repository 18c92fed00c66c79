package main

import (
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
)

// console is standard error, shared by log lines and a progress bar: while
// there is a bar, lines go through it, which puts them above itself.
type console struct {
	mu  sync.Mutex
	out io.Writer
	bar *mpb.Progress
}

func newConsole(out io.Writer) *console { return &console{out: out} }

// Write writes whole lines.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar != nil {
		if n, err := c.bar.Write(p); err == nil {
			return n, nil
		}
	}
	return c.out.Write(p)
}

// show puts a bar below the lines; nil takes it away.
func (c *console) show(bar *mpb.Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bar = bar
}
