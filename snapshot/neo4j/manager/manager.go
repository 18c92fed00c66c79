// Package manager stops and starts Neo4j servers, by whatever runs them: a unit
// of systemd, the program neo4j, a container, or a command of the user's own.
// The same manager is used both ways, and what it is can be written down, so
// that somebody else can start the server again.
package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/install"
	"github.com/snapferry/snapferry/snapshot/neo4j/process"
)

// Kind is what runs a server.
type Kind string

// The kinds of managers.
const (
	Auto    Kind = "auto"    // found by the process of the server
	Neo4j   Kind = "neo4j"   // the program neo4j of the installation
	Systemd Kind = "systemd" // a unit
	Docker  Kind = "docker"  // a container
	Podman  Kind = "podman"
	Command Kind = "command" // a program that takes stop and start
)

// The reasons why there is no manager.
var (
	ErrUnknown = errors.New("there is no such manager")
	ErrUnsure  = errors.New("it cannot be told what runs the server")
)

// Manager is how one server is stopped and started.
type Manager struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name,omitempty"` // of the unit, the container or the program
	// Server is the program neo4j, and Home and Conf what it needs, for the kind
	// Neo4j.
	Server string `json:"server,omitempty"`
	Home   string `json:"home,omitempty"`
	Conf   string `json:"conf,omitempty"`
	// Expand lets commands in its configuration be run, for the kind Neo4j.
	Expand bool `json:"expand,omitempty"`
	// As is who a server runs as that we start ourselves; nil: who we are.
	As *process.Owner `json:"as,omitempty"`
}

// Parse reads a manager as users write it: auto, neo4j, systemd:UNIT,
// docker:NAME, podman:NAME, command:PROGRAM. What auto is, Find knows.
func Parse(text string) (Manager, error) {
	kind, name, named := strings.Cut(text, ":")
	m := Manager{Kind: Kind(kind), Name: name}
	switch m.Kind {
	case Auto, Neo4j:
		if named {
			return m, fmt.Errorf("%w: %s takes no name", ErrUnknown, kind)
		}
	case Systemd, Docker, Podman, Command:
		if name == "" || strings.HasPrefix(name, "-") {
			return m, fmt.Errorf("%w: %s needs a name", ErrUnknown, kind)
		}
	default:
		return m, fmt.Errorf("%w: %q", ErrUnknown, text)
	}
	return m, nil
}

// Server is what is known of the server that is to be managed.
type Server struct {
	Installation *install.Installation
	PID          int            // of its process; 0: it is not known
	As           *process.Owner // who it must run as; nil: who we are
}

// Find makes a manager complete.
func Find(m Manager, server Server) (Manager, error) {
	in, pid := server.Installation, server.PID
	if m.Kind == Auto {
		unit, container := cgroupOf(pid)
		switch {
		case container:
			return m, fmt.Errorf("%w: process %d is in a container", ErrUnsure, pid)
		case unit != "":
			m = Manager{Kind: Systemd, Name: unit}
		case pid == 1:
			return m, fmt.Errorf("%w: it is process 1 of a container, which would end with it; stop the container from outside", ErrUnsure)
		case pid == 0:
			return m, fmt.Errorf("%w: its process is not visible from here", ErrUnsure)
		default:
			m.Kind = Neo4j
		}
	}
	switch m.Kind {
	case Neo4j:
		m.Server, m.Home, m.Conf, m.Expand, m.As = in.Server(), in.Home, in.Conf, in.Expand, server.As
		if _, err := exec.LookPath(m.Server); err != nil {
			return m, fmt.Errorf("%w: %w", ErrUnsure, err)
		}
		// What it starts would end with our unit.
		if own, _ := cgroupOf(os.Getpid()); own != "" {
			return m, fmt.Errorf("%w: we run as unit %s, and a server that we start would end with it", ErrUnsure, own)
		}
	case Systemd, Docker, Podman:
		if _, err := exec.LookPath(m.tool()); err != nil {
			return m, fmt.Errorf("%w: %w", ErrUnsure, err)
		}
	case Command:
		path, err := exec.LookPath(m.Name)
		if err == nil {
			m.Name, err = filepath.Abs(path)
		}
		if err != nil {
			return m, fmt.Errorf("%w: %w", ErrUnsure, err)
		}
		m.Home, m.Conf = in.Home, in.Conf
	}
	return m, nil
}

func (m Manager) String() string {
	if m.Name == "" {
		return string(m.Kind)
	}
	return string(m.Kind) + ":" + m.Name
}

func (m Manager) tool() string {
	switch m.Kind {
	case Systemd:
		return "systemctl"
	case Docker, Podman:
		return string(m.Kind)
	case Neo4j:
		return m.Server
	}
	return m.Name
}

// Stop stops the server, and returns when its manager says so. A server needs
// more than 10 s; timeout is what it gets. started is told the process group of
// what is run for it, which may be ended at any time; it may be nil.
func (m Manager) Stop(ctx context.Context, timeout time.Duration, started func(group int)) error {
	seconds := strconv.Itoa(max(int(timeout.Seconds()), 1))
	c := command{path: m.tool(), args: []string{"stop"}, started: started}
	switch m.Kind {
	case Neo4j:
		c.env = []string{"NEO4J_SHUTDOWN_TIMEOUT=" + seconds}
	case Systemd:
		c.args = []string{"stop", "--", m.Name}
	case Docker, Podman:
		c.args = []string{"stop", "-t", seconds, m.Name}
	}
	return m.run(ctx, c)
}

// Start starts the server, and returns when its manager says so. Whether it
// answers, the caller asks.
func (m Manager) Start(ctx context.Context) error {
	c := command{path: m.tool(), args: []string{"start"}}
	switch m.Kind {
	case Neo4j:
		if m.Expand {
			c.args = append(c.args, "--expand-commands")
		}
	case Systemd:
		c.args = []string{"start", "--", m.Name}
	case Docker, Podman:
		c.args = []string{"start", m.Name}
	}
	return m.run(ctx, c)
}

// command is one program that is run.
type command struct {
	path    string
	args    []string
	env     []string // besides that of an installation
	started func(group int)
}

// run runs one program in a session of its own: what it starts must outlive us,
// and signals to our group must not reach it.
func (m Manager) run(ctx context.Context, c command) error {
	name := filepath.Base(c.path)
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	// Credentials of clouds are not for servers.
	in := install.Installation{Home: m.Home, Conf: m.Conf}
	cmd.Env, cmd.Dir = append(in.Environ(os.Environ(), ""), c.env...), m.Home
	cmd.SysProcAttr = m.As.Attributes()
	detach(cmd.SysProcAttr)
	out, err := os.CreateTemp("", "snapferry-manager-*")
	if err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(out.Name())) }()
	// A file and no pipe: a server holds its output, and would keep us waiting.
	cmd.Stdout, cmd.Stderr = out, out
	if err = cmd.Start(); err == nil {
		if c.started != nil {
			c.started(cmd.Process.Pid)
		}
		err = cmd.Wait()
	}
	if err != nil {
		const most = 2048
		said := make([]byte, most)
		n, _ := out.ReadAt(said, 0) // as far as it goes
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(c.args, " "), err, bytes.TrimSpace(said[:n]))
	}
	return nil
}
