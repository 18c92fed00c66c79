// Command bench measures snapferry beside other programs, in one run on one
// machine, and prints ratios and the command lines. Seconds of two runs do not
// compare; the ratios do. It tests nothing: a slow machine is no failure.
//
// It is run by `make bench`, which builds what it needs. Free space of about
// four times -size, and of 5 GiB for the memory rows, is needed in -dir.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// bench is what all parts share.
type bench struct {
	runner
	out       *printer
	log       *slog.Logger
	snapferry string // path of the program
	self      string // path of this program
	server    *server
	rounds    int
	size      int64 // bytes of the mix
	files     int   // in the folder
	backups   int   // in the vault that is listed
	sparseGiB int64
	streamGiB int64
}

// printer writes results and remembers the first failure to do so.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	b := bench{out: &printer{w: os.Stdout}, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	binary := flags.String("server", ".tools/bin/versitygw", "the S3 server")
	dir := flags.String("dir", os.TempDir(), "folder for sources, objects and results")
	only := flags.String("only", "engine,compare,memory,list", "parts to run")
	generate := flags.Int64("generate", 0, "print a stream of so many GiB and do nothing else")
	flags.StringVar(&b.snapferry, "snapferry", "bin/snapferry", "the program to measure")
	flags.IntVar(&b.rounds, "rounds", 3, "rounds of the comparison")
	flags.Int64Var(&b.size, "size", 1500, "MB of the data that is compared with")
	flags.IntVar(&b.files, "files", 1_000_000, "files of the folder")
	flags.IntVar(&b.backups, "backups", 10_000, "backups of the vault that is listed")
	flags.Int64Var(&b.sparseGiB, "sparse", 64, "GiB of the sparse file")
	flags.Int64Var(&b.streamGiB, "stream", 64, "GiB of the stream")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *generate > 0 {
		_, err := io.CopyBuffer(struct{ io.Writer }{os.Stdout}, longStream(*generate*gib), make([]byte, mib))
		return err
	}
	b.size *= 1_000_000
	if err := b.locate(*binary); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(*dir, "snapferry-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.server, err = startServer(ctx, *binary, b.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.stop()) }()
	b.env = b.server.env(b.dir)
	return b.parts(ctx, strings.Split(*only, ","))
}

// locate makes the paths of programs absolute, since commands run elsewhere,
// and finds the tools that `make tools-bench` installs.
func (b *bench) locate(server string) error {
	for _, binary := range []string{b.snapferry, server} {
		if _, err := os.Stat(binary); err != nil {
			return fmt.Errorf("find program (make bench builds it): %w", err)
		}
	}
	var err error
	if b.snapferry, err = filepath.Abs(b.snapferry); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	tools, err := filepath.Abs(filepath.Dir(server))
	if err != nil {
		return err
	}
	venv := filepath.Join(filepath.Dir(tools), "venv", "bin")
	return os.Setenv("PATH", strings.Join([]string{tools, os.Getenv("PATH"), venv}, string(os.PathListSeparator)))
}

func (b *bench) parts(ctx context.Context, names []string) error {
	for _, name := range names {
		switch name {
		case "engine":
			b.out.printf("== the engine against its limit\n")
			if err := b.engine(ctx); err != nil {
				return err
			}
		case "compare":
			b.out.printf("\n== %d MB to an S3 server on loopback and back: medians of %d rounds\n", b.size/1_000_000, b.rounds)
			rows, err := compareAll(ctx, *b)
			if err != nil {
				return err
			}
			printCompared(b.out, rows)
		case "memory":
			b.out.printf("\n== memory\n")
			if err := weighAll(ctx, *b); err != nil {
				return err
			}
		case "list":
			b.out.printf("\n== listing\n")
			if err := listAll(ctx, *b); err != nil {
				return err
			}
		default:
			return fmt.Errorf("no part %q: engine, compare, memory and list are known", name)
		}
	}
	return b.out.err
}
