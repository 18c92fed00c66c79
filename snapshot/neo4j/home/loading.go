package home

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// Loading is a dump that is loaded while it is fetched: what is written to it,
// neo4j-admin reads.
type Loading struct {
	home  *Home
	ctx   context.Context // that of LoadStream: Write is given none
	args  []string
	p     *process.Process
	in    *os.File
	ended bool
	err   error // how it ended
}

// LoadStream starts to load a dump into the home's database. The caller writes
// the dump, and then calls Finish; or calls Abort. ErrVersion, of install: this
// release reads dumps from files alone.
func (h *Home) LoadStream(ctx context.Context) (*Loading, error) {
	args, err := h.own.Version.LoadStream(h.database)
	if err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("load from a stream: %w", err)
	}
	widen(in)
	c := h.command(h.own.Admin, args)
	c.Stdin, c.Lines, c.Merge = out, process.NewLines("neo4j-admin (scratch)", h.log, nil), true
	p, err := process.Start(ctx, c)
	if err = errors.Join(err, out.Close()); err != nil {
		if p != nil {
			err = errors.Join(err, p.Stop())
		}
		return nil, errors.Join(err, in.Close())
	}
	return &Loading{home: h, ctx: ctx, args: args, p: p, in: in}, nil
}

// Write fails as neo4j-admin does, if it ends before the dump.
func (l *Loading) Write(b []byte) (int, error) {
	if l.ended {
		return 0, errors.Join(os.ErrClosed, l.err)
	}
	n, err := l.in.Write(b)
	if err == nil {
		return n, nil
	}
	if why := l.Finish(); why != nil {
		err = why
	}
	return n, err
}

// Finish says that the dump was written to its end, and returns how neo4j-admin
// has ended: *AdminError, or ErrFormat.
func (l *Loading) Finish() error {
	if l.ended {
		return l.err
	}
	l.ended = true
	err := l.in.Close()
	status := l.p.Finish()
	if stopErr := l.p.Stop(); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	switch {
	case l.ctx.Err() != nil:
		err = context.Cause(l.ctx)
	case status != nil:
		err = l.home.explainLoad(&AdminError{Command: commandLine(l.args), Text: l.p.Text(), Err: status})
	}
	l.err = err
	return err
}

// Abort ends neo4j-admin. What it has loaded is not a database.
func (l *Loading) Abort() error {
	if l.ended {
		return nil
	}
	l.ended, l.err = true, errors.New("the load was given up")
	return errors.Join(l.p.Stop(), l.in.Close())
}
