// Command bench measures snapferry beside other programs, in one run on one
// machine, and prints ratios and the command lines. Seconds of two runs do not
// compare; the ratios do. It tests nothing: a slow machine is no failure.
//
// It is run by `make bench`, which builds what it needs. Where speed is measured
// about four times -size must be free, for the memory rows 8 GiB and a million
// inodes.
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
	binary    string // path of the S3 server
	self      string // path of this program
	server    *server
	rounds    int
	// autoRounds are those of the levels: at 20 MB/s a run takes half a minute.
	autoRounds int
	size       int64 // bytes of the mix
	files      int   // in the folder
	backups    int   // in the vault that is listed
	sparseGiB  int64
	streamGiB  int64
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
	flags.StringVar(&b.binary, "server", ".tools/bin/versitygw", "the S3 server")
	dir := flags.String("dir", os.TempDir(), "folder for sources, objects and results")
	fast := flags.String("fast", "", "the same where speed is measured (default /dev/shm, if it has room, or that of -dir)")
	only := flags.String("only", "engine,compare,clouds,vaults,auto,memory,list,rules,neo4j", "parts to run")
	generate := flags.Int64("generate", 0, "print a stream of so many GiB and do nothing else")
	flags.StringVar(&b.snapferry, "snapferry", "bin/snapferry", "the program to measure")
	flags.IntVar(&b.rounds, "rounds", 3, "rounds of the comparison")
	flags.IntVar(&b.autoRounds, "auto-rounds", 1, "rounds of the levels")
	flags.Int64Var(&b.size, "size", 1500, "MB of the data that is compared with")
	flags.IntVar(&b.files, "files", 1_000_000, "files of the folder")
	flags.IntVar(&b.backups, "backups", 10_000, "backups of the vault that is listed")
	flags.Int64Var(&b.sparseGiB, "sparse", 64, "GiB of the sparse file")
	flags.Int64Var(&b.streamGiB, "stream", 64, "GiB of the stream")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *generate > 0 {
		r, err := longStream(*generate * gib)
		if err != nil {
			return err
		}
		// The pipe is written in large pieces, which os.Stdout alone would not do.
		_, err = io.CopyBuffer(struct{ io.Writer }{os.Stdout}, r, make([]byte, mib))
		return err
	}
	b.size *= 1_000_000
	if err := b.locate(); err != nil {
		return err
	}
	if *fast == "" {
		*fast = fastFolder(*dir, 4*b.size)
	}
	return b.parts(ctx, strings.Split(*only, ","), folders{slow: *dir, fast: *fast})
}

// folders says where parts keep their files: in fast what is about speed, in
// slow what is about size.
type folders struct{ slow, fast string }

// fastFolder returns the folder that is in memory, where there is one with
// room, so that speed is that of the programs and not that of a disk.
func fastFolder(otherwise string, room int64) string {
	const memory = "/dev/shm"
	if freeBytes(memory) < room {
		return otherwise
	}
	return memory
}

// locate makes the paths of programs absolute, since commands run elsewhere,
// and finds the tools that `make tools-bench` installs.
func (b *bench) locate() error {
	for _, binary := range []string{b.snapferry, b.binary} {
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
	tools, err := filepath.Abs(filepath.Dir(b.binary))
	if err != nil {
		return err
	}
	venv := filepath.Join(filepath.Dir(tools), "venv", "bin")
	azurite := filepath.Join(filepath.Dir(tools), "azurite", "node_modules", ".bin")
	return os.Setenv("PATH", strings.Join([]string{tools, os.Getenv("PATH"), venv, azurite}, string(os.PathListSeparator)))
}

func (b *bench) parts(ctx context.Context, names []string, in folders) error {
	for _, name := range names {
		var err error
		switch name {
		case "engine":
			b.out.printf("== the engine against its limit, in %s\n", in.fast)
			err = b.within(ctx, in.fast, engine)
		case "compare":
			b.out.printf("\n== %d MB to an S3 server on loopback and back, in %s: medians of %d rounds\n", b.size/1_000_000, in.fast, b.rounds)
			err = b.within(ctx, in.fast, compareAll)
		case "clouds":
			b.out.printf("\n== %d MB to servers that stand for the clouds, in %s: medians of %d rounds\n", b.size/1_000_000, in.fast, b.rounds)
			err = b.within(ctx, in.fast, cloudsAll)
		case "vaults":
			b.out.printf("\n== several vaults, copies and encryption, %d MB, in %s: medians of %d rounds\n", b.size/1_000_000, in.fast, b.rounds)
			err = b.within(ctx, in.fast, vaultsAll)
		case "auto":
			b.out.printf("\n== levels of compression, %d MB to a vault that discards what comes over a line\n", b.size/1_000_000)
			err = b.within(ctx, in.fast, autoAll)
		case "memory":
			b.out.printf("\n== memory\n")
			err = b.within(ctx, in.slow, weighAll)
		case "list":
			b.out.printf("\n== listing\n")
			err = b.within(ctx, in.slow, listAll)
		case "rules":
			b.out.printf("\n== rules\n")
			err = b.within(ctx, in.slow, rulesAll)
		case "neo4j":
			b.out.printf("\n== Neo4j %s with %d nodes: medians of %d rounds\n", benchNeo4j, benchNodes, b.rounds)
			err = b.within(ctx, in.slow, neo4jAll)
		default:
			return fmt.Errorf("no part %q: engine, compare, clouds, vaults, auto, memory, list, rules and neo4j are known", name)
		}
		if err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
	}
	return b.out.err
}

// within runs a part in a folder below dir, with an S3 server that keeps its
// objects there. Nothing of it stays.
func (b *bench) within(ctx context.Context, dir string, part func(context.Context, bench) error) (err error) {
	one := *b
	if one.dir, err = os.MkdirTemp(dir, "snapferry-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(one.dir)) }()
	if one.server, err = startServer(ctx, b.binary, one.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, one.server.stop()) }()
	one.env = one.server.env(one.dir)
	return part(ctx, one)
}
