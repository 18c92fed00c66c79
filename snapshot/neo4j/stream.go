package neo4j

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/artifact"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// maxComplaint bounds what is read of what is no dump, in bytes.
const maxComplaint = 64 << 10

// stream is a dump that is read while it is made. What is read passes through
// artifact.Verify on its way, and the end is an end only if all agree on it.
type stream struct {
	admin *admin
	ctx   context.Context // that of Capture: Read is given none
	p     *process.Process
	out   *bufio.Reader

	copy      *io.PipeWriter // to the verifier
	verified  chan struct{}  // closed once the verifier has returned
	verifyErr error

	err error // the final answer of Read
}

// startStream starts the dump and waits for its first bytes.
func startStream(ctx context.Context, a *admin) (*stream, error) {
	args, err := a.Version.DumpStream(a.database)
	if err != nil {
		return nil, &snapshot.Error{Op: "dump", Name: a.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUsage, err),
			Hint: "Add &scratch=DIR, a folder with room for the dump."}
	}
	p, err := a.start(ctx, args...)
	if err != nil {
		return nil, err
	}
	s := &stream{admin: a, ctx: ctx, p: p, out: bufio.NewReaderSize(p.Stdout(), 64<<10), verified: make(chan struct{})}
	if err := s.checkStart(); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	reader, writer := io.Pipe()
	s.copy = writer
	go func() {
		defer close(s.verified)
		_, s.verifyErr = artifact.Verify(reader)
		// From here on nobody reads: writes must fail and not wait. A nil error
		// makes them fail with io.ErrClosedPipe, which is right too: something
		// follows a verified end.
		_ = reader.CloseWithError(s.verifyErr)
	}()
	return s, nil
}

// checkStart looks at the first bytes. A launcher may print a complaint to its
// standard output, and exit with 0 even.
func (s *stream) checkStart() error {
	head, err := s.out.Peek(len(artifact.FormatZstd))
	if err != nil || !artifact.KnownMagic(head) {
		bad := fmt.Errorf("%w: it begins with %q", artifact.ErrBad, head)
		text, readErr := io.ReadAll(io.LimitReader(s.out, maxComplaint))
		if len(text) == maxComplaint || readErr != nil && s.ctx.Err() == nil {
			return s.admin.fail("dump", bad) // it goes on; the caller stops it
		}
		return s.explain(string(text), bad)
	}
	return nil
}

// Read returns io.EOF only after the dump was proved whole. It fails if
// neo4j-admin fails, is killed, or the capture's context is done.
func (s *stream) Read(buf []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.out.Read(buf)
	if n > 0 {
		if _, werr := s.copy.Write(buf[:n]); werr != nil {
			s.err = s.rejected()
			return 0, s.err
		}
		return n, nil
	}
	if err != nil {
		s.err = s.conclude(err)
	}
	return 0, s.err
}

// rejected handles a dump that the verifier refuses before its end.
func (s *stream) rejected() error {
	<-s.verified
	err := s.verifyErr
	if err == nil {
		err = fmt.Errorf("%w: something follows its end", artifact.ErrBad)
	}
	select {
	case <-s.p.Exited():
	default:
		// It goes on writing what nobody wants; its status would be our doing.
		return errors.Join(s.admin.fail("dump", err), s.p.Stop())
	}
	return s.explain("", err)
}

// conclude asks all three witnesses: the pipe, the verifier, the process.
func (s *stream) conclude(readErr error) error {
	if errors.Is(readErr, io.EOF) {
		_ = s.copy.Close()
	} else {
		_ = s.copy.CloseWithError(readErr)
	}
	<-s.verified
	exitErr := s.p.Finish()
	stopErr := s.p.Stop()
	if s.verifyErr != nil || exitErr != nil || !errors.Is(readErr, io.EOF) {
		err := s.verifyErr
		if err == nil {
			err = readErr
		}
		return s.explain("", err)
	}
	if stopErr != nil {
		return s.admin.fail("dump", stopErr)
	}
	return io.EOF
}

// explain waits for neo4j-admin and says why there is no dump: because the
// caller gave up, because it failed, or else because of err.
func (s *stream) explain(text string, err error) error {
	exitErr := s.p.Finish()
	if s.ctx.Err() != nil {
		return s.admin.fail("dump", context.Cause(s.ctx))
	}
	text = s.p.Text() + "\n" + text
	if exitErr != nil {
		return s.admin.failText("dump", text, exitErr)
	}
	return s.admin.failText("dump", text, fmt.Errorf("it exited with 0, but the dump is bad: %w", err))
}

// complete reports whether the verified end was reached.
func (s *stream) complete() bool { return errors.Is(s.err, io.EOF) }

// close ends everything that the stream started.
func (s *stream) close() error {
	_ = s.copy.CloseWithError(io.ErrClosedPipe)
	<-s.verified
	if err := s.p.Stop(); err != nil {
		return s.admin.fail("close", err)
	}
	return nil
}
