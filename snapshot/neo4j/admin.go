package neo4j

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/snapferry/snapferry/snapshot"
)

// maxAnswer bounds what is read of a command that answers in a few lines.
const maxAnswer = 64 << 10

// admin runs the neo4j-admin of one home for one database.
type admin struct {
	path     string // of neo4j-admin
	home     string // absolute, no symlinks
	database string
	env      []string
	log      *slog.Logger
	progress func(float64)
}

func newAdmin(req request, options Options) (*admin, error) {
	a := &admin{database: req.database, log: options.Log, progress: options.Progress}
	home := req.home
	if home == "" {
		home = os.Getenv("NEO4J_HOME")
	}
	if home == "" {
		return nil, &snapshot.Error{Op: "open", Name: req.database, Err: fmt.Errorf("%w: no Neo4j home is given", snapshot.ErrUsage),
			Hint: "Add ?home=DIR, the folder of the Neo4j installation, or set NEO4J_HOME."}
	}
	var err error
	if a.home, err = realHome(home); err != nil {
		return nil, &snapshot.Error{Op: "open", Name: home, Err: fmt.Errorf("%w: %w", snapshot.ErrNotFound, err),
			Hint: "home is the folder of the Neo4j installation, with bin, conf and data in it."}
	}
	if a.path, err = findAdmin(a.home); err != nil {
		return nil, &snapshot.Error{Op: "open", Name: a.home, Err: err,
			Hint: "home must be a Neo4j installation with bin/neo4j-admin in it, or neo4j-admin must be on PATH and executable."}
	}
	a.env = adminEnv(os.Environ(), a.home, req.home != "", options.TempDir)
	return a, nil
}

// findAdmin prefers the neo4j-admin of the home: it has the version of the
// store. Packages keep home and program apart; then it is on PATH.
func findAdmin(home string) (string, error) {
	name := "neo4j-admin"
	if runtime.GOOS == "windows" {
		name = "neo4j-admin.bat"
	}
	own := filepath.Join(home, "bin", name)
	path, err := exec.LookPath(own)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath(name)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAdminNotFound, err)
	}
	return filepath.Abs(path)
}

// adminEnv is our environment for neo4j-admin. Cloud credentials are none of
// its business: a crashing JVM writes its environment to a file.
func adminEnv(environ []string, home string, explicit bool, tempDir string) []string {
	conf := filepath.Join(home, "conf")
	_, err := os.Stat(conf)
	ownConf := explicit && err == nil
	var env []string
	javaOptions := ""
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case secretVariable(name), name == "NEO4J_HOME":
			continue
		case name == "NEO4J_CONF" && ownConf:
			// The home in the URL says which installation is meant; a
			// configuration from elsewhere could lead to another store.
			continue
		case name == "JDK_JAVA_OPTIONS" && tempDir != "":
			javaOptions = value
			continue
		}
		env = append(env, entry)
	}
	env = append(env, "NEO4J_HOME="+home)
	if ownConf {
		env = append(env, "NEO4J_CONF="+conf)
	}
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

// version asks neo4j-admin for its version and refuses those whose commands
// have other names.
func (a *admin) version(ctx context.Context) (string, error) {
	out, err := a.output(ctx, "--version")
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`(?m)^(?:neo4j-admin )?(\d+)\.\d+[\w.+-]*\s*$`).FindSubmatch(out)
	if version == nil {
		return "", a.failText("capture", string(out), errors.New("neo4j-admin --version printed no version"))
	}
	text := strings.TrimPrefix(strings.TrimSpace(string(version[0])), "neo4j-admin ")
	if major, err := strconv.Atoi(string(version[1])); err != nil || major < 5 {
		return "", &snapshot.Error{Op: "capture", Name: a.database, Err: fmt.Errorf("%w: %s", ErrVersion, text),
			Hint: "Neo4j 5 and the calendar versions (2025.01 and later) are supported; back up an older one from a dump file of its own neo4j-admin."}
	}
	return text, nil
}

// storeInfo asks for what is known of the store, and fails where a dump would
// be refused. The facts are named as neo4j-admin names them.
func (a *admin) storeInfo(ctx context.Context) (map[string]string, error) {
	out, err := a.output(ctx, "database", "info", "--format=json", a.database)
	if err != nil {
		return nil, err
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
	facts := map[string]string{}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&answer); err != nil {
		// What it prints is no promise of Neo4j's; the dump decides by itself.
		a.log.Warn("neo4j-admin database info gave no usable answer", "database", a.database, "error", err)
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
