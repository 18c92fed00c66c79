package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/snapferry/snapferry/job"
)

// deps is what commands get from the outside.
type deps struct {
	stdin    io.Reader
	stdout   io.Writer
	stderr   *console
	terminal bool // stderr is one
	color    bool // stdout is one that shows colours
	now      func() time.Time
	// progressEvery is the time between two lines of progress where there is
	// no terminal.
	progressEvery time.Duration
	config        configuration
	// global holds the flags that all commands share.
	global globalOptions
}

type globalOptions struct {
	verbose int
	quiet   bool
	json    bool
}

// newRoot returns the whole program. started turns true once a command runs:
// an error before is one of the command line.
func newRoot(d deps) (root *cobra.Command, started *bool) {
	started = new(bool)
	shared := &d
	root = &cobra.Command{
		Use:   "snapferry",
		Short: "Back up databases, files and disks into a vault, and restore them",
		Long: `snapferry captures a Neo4j database, a file, a folder or a disk, compresses it,
ships it to a vault (a bucket or a folder), and proves that it restores.`,
		Example: `  snapferry backup 'neo4j+dump:///neo4j?home=/opt/neo4j' 's3://acme-backups/graph?region=eu-west-1'
  snapferry list 's3://acme-backups/graph?region=eu-west-1'
  snapferry restore 's3://acme-backups/graph?region=eu-west-1#latest' neo4j.dump`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			*started = true
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(d.stdout)
	root.SetErr(d.stderr)
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.CountVarP(&shared.global.verbose, "verbose", "v", "log what is done, and every attempt that fails; -vv for more")
	flags.BoolVar(&shared.global.quiet, "quiet", false, "no progress and no warnings")
	flags.StringVar(&shared.config.path, "config", "", "path of the configuration (default as snapferry config --help tells)")
	flags.BoolVar(&shared.global.json, "json", false, "print the result as JSON, as documented in docs/json.md")
	root.AddCommand(newBackupCommand(shared), newCopyCommand(shared), newKeepCommand(shared), newHoldCommand(shared), newReleaseCommand(shared),
		newInspectCommand(shared), newListCommand(shared), newShowCommand(shared), newVerifyCommand(shared),
		newRestoreCommand(shared), newDrillCommand(shared), newRecoverCommand(shared), newCleanupCommand(shared),
		newGuardianCommand(shared), newUnfreezerCommand(shared), newFinishCommand(shared), newRewrapCommand(shared),
		newBenchCommand(shared), newDoctorCommand(shared),
		newLifecycleCommand(shared), newPruneCommand(shared), newConfigCommand(shared), newVersionCommand(shared), newCompletionCommand(shared))
	root.SetHelpCommand(newHelpCommand())
	return root, started
}

// knownCommand refuses what is not a command, and names the nearest one.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	return refused(fmt.Sprintf("command %q", args[0]), errors.New("there is no such command"), job.Suggest(args[0], known))
}

// flagError gives what the flag parser refuses a hint.
func flagError(c *cobra.Command, err error) error {
	hint := c.CommandPath() + " --help lists the flags"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		if near := job.Nearest(unknown.GetSpecifiedName(), known); near != "" {
			hint = fmt.Sprintf("did you mean --%s? %s", near, hint)
		}
	}
	return &job.Error{Op: "run", Name: c.CommandPath(), Err: &usageError{err}, Hint: hint}
}

// exactly takes one argument for each of the names, none of them empty.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return badArgs(c, fmt.Errorf("it takes %s, not %s", count(len(names), "argument"), count(len(args), "argument")))
		}
		return nonEmpty(c, args, names)
	}
}

// atLeast takes one argument for each of the names and more of the last, none
// of them empty.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return badArgs(c, fmt.Errorf("it takes %s or more, not %s", count(len(names), "argument"), count(len(args), "argument")))
		}
		return nonEmpty(c, args, names)
	}
}

func nonEmpty(c *cobra.Command, args, names []string) error {
	if i := slices.Index(args, ""); i >= 0 {
		return badArgs(c, fmt.Errorf("%s is empty", names[min(i, len(names)-1)]))
	}
	return nil
}

func badArgs(c *cobra.Command, reason error) error {
	return &job.Error{Op: "run", Name: c.CommandPath(), Err: &usageError{reason},
		Hint: fmt.Sprintf("write %s; %s --help explains it", c.UseLine(), c.CommandPath())}
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// log is the log of a run. Without -v it shows warnings alone.
func (d *deps) log() *slog.Logger {
	level := slog.LevelWarn
	switch {
	case d.global.verbose == 1:
		level = slog.LevelInfo
	case d.global.verbose > 1:
		level = slog.LevelDebug
	case d.global.quiet:
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(d.stderr, &slog.HandlerOptions{Level: level}))
}

// runner returns what runs jobs for a command.
func (d *deps) runner(t job.Tuning) *job.Runner {
	r := &job.Runner{Program: programName(), Log: d.log(), Now: d.now, Stdin: d.stdin, Stdout: d.stdout, Progress: &job.Progress{},
		Tuning: t, Terminal: d.terminal}
	if self, err := ownPath(); err == nil { // without one no server is stopped
		r.Guardian = []string{self, guardianCommand}
		r.Unfreezer = []string{self, unfreezerCommand}
	}
	if dir, err := os.UserCacheDir(); err == nil { // without one nothing is remembered
		r.CacheDir = filepath.Join(dir, "snapferry")
	}
	return r
}

// ownPath is the path by which this program was called, where that is known: a
// program with many names goes by it.
func ownPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	called, err := exec.LookPath(os.Args[0])
	if err != nil {
		return self, nil //nolint:nilerr // it was called in another way
	}
	a, err := os.Stat(self)
	if err != nil {
		return "", err
	}
	if b, err := os.Stat(called); err != nil || !os.SameFile(a, b) {
		return self, nil //nolint:nilerr // it was called in another way
	}
	return filepath.Abs(called)
}

func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return knownCommand(c.Root(), args)
			}
			return found.Help()
		},
	}
}

func newCompletionCommand(*deps) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a script that completes commands and flags in a shell",
		Example:   "  source <(snapferry completion bash)",
		ValidArgs: shells,
		Args:      exactly("SHELL"),
		RunE: func(c *cobra.Command, args []string) error {
			root, out := c.Root(), c.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return refused(fmt.Sprintf("shell %q", args[0]), errors.New("it is not known"), "known are "+strings.Join(shells, ", "))
		},
	}
}

// print writes a result to standard output: as JSON, or as text says it.
func (d *deps) print(result any, text func(w io.Writer)) error {
	if d.global.json {
		return writeJSON(d.stdout, result)
	}
	return writeText(d.stdout, text)
}

// ended is the error of a run under ctx as it is to be told.
func ended(ctx context.Context, err error) error { return job.End(ctx, err) }
