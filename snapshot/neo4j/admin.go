package neo4j

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// maxAnswer bounds what is read of a command that answers in a few lines.
const maxAnswer = 64 << 10

// admin runs the neo4j-admin of one installation for one database.
type admin struct {
	*install.Installation
	database string
	env      []string
	log      *slog.Logger
	progress func(float64)
}

func newAdmin(req request, options Options) (*admin, error) {
	found, err := install.Find(req.home, os.Getenv)
	switch {
	case errors.Is(err, install.ErrNoHome) && req.home == "" && os.Getenv("NEO4J_HOME") == "":
		return nil, &snapshot.Error{Op: "open", Name: req.database, Err: fmt.Errorf("%w: %w", snapshot.ErrUsage, err),
			Hint: "Add ?home=DIR, the folder of the Neo4j installation, or set NEO4J_HOME."}
	case errors.Is(err, install.ErrNoHome):
		return nil, &snapshot.Error{Op: "open", Name: cmp.Or(req.home, os.Getenv("NEO4J_HOME")), Err: fmt.Errorf("%w: %w", snapshot.ErrNotFound, err),
			Hint: "home is the folder of the Neo4j installation, with bin, conf and data in it."}
	case err != nil:
		return nil, &snapshot.Error{Op: "open", Name: req.home, Err: fmt.Errorf("%w: %w", ErrAdminNotFound, err),
			Hint: "home must be a Neo4j installation with bin/neo4j-admin in it, or neo4j-admin must be on PATH and executable."}
	}
	a := &admin{Installation: found, database: req.database, log: options.Log, progress: options.Progress}
	a.env = adminEnv(os.Environ(), found, options.TempDir)
	return a, nil
}

// adminEnv is our environment for neo4j-admin. Cloud credentials are none of
// its business: a crashing JVM writes its environment to a file.
func adminEnv(environ []string, in *install.Installation, tempDir string) []string {
	var env []string
	javaOptions := ""
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case secretVariable(name), name == "NEO4J_HOME", name == "NEO4J_CONF":
			continue
		case name == "JDK_JAVA_OPTIONS" && tempDir != "":
			javaOptions = value
			continue
		}
		env = append(env, entry)
	}
	env = append(env, "NEO4J_HOME="+in.Home, "NEO4J_CONF="+in.Conf)
	if tempDir != "" {
		env = append(env, strings.TrimSpace(fmt.Sprintf(`JDK_JAVA_OPTIONS=%s "-Djava.io.tmpdir=%s"`, javaOptions, tempDir)))
	}
	return env
}

func secretVariable(name string) bool {
	for _, prefix := range []string{"AWS_", "AZURE_", "GOOGLE_", "GCP_", "ARM_", "SNAPFERRY_", "AGE_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// askVersion asks neo4j-admin for its version and refuses those whose commands
// are not known.
func (a *admin) askVersion(ctx context.Context) error {
	printed := ""
	err := a.AskVersion(ctx, func(ctx context.Context, args ...string) ([]byte, error) {
		out, err := a.output(ctx, args...)
		printed = string(out)
		return out, err
	})
	switch {
	case errors.Is(err, install.ErrVersion):
		return &snapshot.Error{Op: "capture", Name: a.database, Err: err,
			Hint: "Neo4j 3.5, 4.x, 5 and the calendar versions (2025.01 and later) are supported; back up an older one from a dump file of its own neo4j-admin."}
	case err != nil && printed != "":
		return a.failText("capture", printed, err)
	}
	return err
}

// storeInfo asks for what is known of the store, and fails where a dump would
// be refused. The facts are named as neo4j-admin names them.
func (a *admin) storeInfo(ctx context.Context, at store) (map[string]string, error) {
	if a.Version.Major < 5 && at.data == "" {
		return map[string]string{}, nil // it wants a folder; the dump decides
	}
	out, err := a.output(ctx, a.Version.Info(a.database, at.data)...)
	if err != nil {
		return nil, err
	}
	facts := map[string]string{}
	if a.Version.Major < 4 {
		if m := regexp.MustCompile(`(?m)^Store format version:\s+(\S+)`).FindSubmatch(out); m != nil {
			facts["storeFormat"] = string(m[1])
		}
		return facts, nil
	}
	// Warnings of a JVM may come first.
	if at := bytes.IndexByte(out, '{'); at >= 0 {
		out = out[at:]
	}
	var answer struct {
		InUse            string `json:"inUse"`
		StoreFormat      string `json:"storeFormat"`
		LastTransaction  string `json:"lastCommittedTransaction"`
		RecoveryRequired string `json:"recoveryRequired"`
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&answer); err != nil {
		// What it prints is no promise of Neo4j's; the dump decides by itself.
		a.log.Warn("neo4j-admin gave no usable answer about the store", "database", a.database, "error", err)
		return facts, nil
	}
	switch {
	case answer.InUse == "true":
		return nil, a.fail("capture", ErrInUse)
	case answer.RecoveryRequired == "true":
		return nil, a.fail("capture", ErrNeedsRecovery)
	}
	for name, value := range map[string]string{"storeFormat": answer.StoreFormat, "lastCommittedTransaction": answer.LastTransaction} {
		if value != "" {
			facts[name] = value
		}
	}
	return facts, nil
}

// output runs a command that answers briefly.
func (a *admin) output(ctx context.Context, args ...string) ([]byte, error) {
	p, err := a.start(ctx, args...)
	if err != nil {
		return nil, err
	}
	out, readErr := io.ReadAll(io.LimitReader(p.stdout, maxAnswer))
	exitErr := p.finish()
	if err := p.stop(); err != nil {
		return nil, a.fail("capture", err)
	}
	switch {
	case ctx.Err() != nil:
		return nil, a.fail("capture", context.Cause(ctx))
	case exitErr != nil:
		return nil, a.failText("capture", p.lines.text()+"\n"+string(out), exitErr)
	case readErr != nil:
		return nil, a.fail("capture", fmt.Errorf("read from neo4j-admin: %w", readErr))
	}
	return out, nil
}
