package config

import (
	"fmt"
	"os"
)

// Config is what one file says, after environment and defaults. It does not
// change.
type Config struct {
	File     string // where it was read from, as Options name it
	Defaults Settings
	Vaults   []*Vault // in the order of the file
	Jobs     []*Job   // in the order of the file
	// Warnings tell what works and should not be left so.
	Warnings []string

	root   *node
	vaults map[string]*Vault
	jobs   map[string]*Job
	shown  func(string) string
}

// Vault is a place for backups, and how it is used.
type Vault struct {
	Name      string
	URL       string // or a path
	Retention Retention
	Slack     Retention
	Zone      string // of the IANA database, where days begin; empty: UTC
	MaxChain  int    // days; 0: none
	// MaxUpload is a duration; empty means the default, and so does 0 of the
	// days below.
	MaxUpload   string
	Undo        int
	RestoreDays int
	Transitions map[string]Transition // by the name of a tier
	Encrypt     Encrypt
	Identities  []Secret
	Sign        Sign
	Lock        map[string]Lock // by the name of a tier
	Versions    bool
}

// Encrypt says for whom new backups are encrypted. Its zero value encrypts
// nothing.
type Encrypt struct {
	Age        []string // recipients: age1…, ssh-ed25519 …, ssh-rsa …
	Passphrase Secret
}

// Sign says how manifests are signed, and by whom they must be.
type Sign struct {
	Key     Secret   // signs new backups
	Signers []string // ssh-ed25519 lines
}

// Lock says how new objects of a tier are locked.
type Lock struct {
	Mode string // governance or compliance
	Days int    // from the moment an object is stored; at least 1
}

// Job is a source and the vaults that its backups go to.
type Job struct {
	Name       string
	Source     string
	Vaults     []string // names, at least one
	Schedule   string   // five fields of a crontab line; empty: none
	Zone       string   // of the schedule; empty: that of the machine
	Tier       string   // empty: manual
	Series     string   // never empty
	AllowEmpty bool
	Drill      Drill
	Settings   Settings // its own
}

// Settings say how much of the machine and the network a run may use, in the
// order of the file. Each is the flag of the same name, with - for _.
type Settings []Setting

// Setting is one of them.
type Setting struct {
	Key   string // as the file has it: max_memory
	Value string // as the flag --max-memory takes it
	Line  int
}

// Get returns the value of a setting, or "".
func (s Settings) Get(key string) string {
	for _, one := range s {
		if one.Key == key {
			return one.Value
		}
	}
	return ""
}

// Vault returns the vault of that name, or nil.
func (c *Config) Vault(name string) *Vault { return c.vaults[name] }

// Job returns the job of that name, or an *Error that suggests the nearest.
func (c *Config) Job(name string) (*Job, error) {
	if j := c.jobs[name]; j != nil {
		return j, nil
	}
	known := make([]string, len(c.Jobs))
	for i, j := range c.Jobs {
		known[i] = j.Name
	}
	return nil, &Error{Op: "find", Name: fmt.Sprintf("job %q", name), Hint: suggest(name, known),
		Err: fmt.Errorf("%w: %s has no such job", ErrInvalid, c.File)}
}

// SettingsOf returns the settings of a run of the job: its own, else the
// defaults. Of no job, they are the defaults.
func (c *Config) SettingsOf(j *Job) Settings {
	if j == nil {
		return c.Defaults
	}
	all := append(Settings(nil), j.Settings...)
	for _, d := range c.Defaults {
		if j.Settings.Get(d.Key) == "" {
			all = append(all, d)
		}
	}
	return all
}

// Options is what reading a configuration takes from outside.
type Options struct {
	File string // its name in messages; empty: snapferry.yaml
	// Lookup finds variables of the environment; nil: os.LookupEnv.
	Lookup func(name string) (string, bool)
	Checks Checks
}

// Checks judge what this package knows nothing about. Each may be nil, which
// lets everything pass. Their errors are shown, and their hints if they have a
// method UserHint.
type Checks struct {
	URL func(url string) error // of a vault
	// Apart says of the URLs of two vaults why there cannot be both.
	Apart   func(first, second string) error
	Source  func(source string) error     // of a job
	Series  func(name string) error       // of a job
	Setting func(key, value string) error // of a flag
	Drill   func(check string) error      // CYPHER => EXPECTED
	// Lock compares the lock of a tier with how long its backups live.
	Lock func(v *Vault, tier string) error
	// Shown returns a URL without what may be a credential in it.
	Shown func(url string) string
}

func (o Options) lookup(name string) (string, bool) {
	if o.Lookup == nil {
		return os.LookupEnv(name)
	}
	return o.Lookup(name)
}

// Parse reads a configuration. It fails with an *Error around *Problems, which
// has all that is wrong with it.
func Parse(data []byte, o Options) (*Config, error) {
	if o.File == "" {
		o.File = FileName
	}
	r := &reader{options: o, anchors: map[string]*node{}, hidden: map[*node]bool{}}
	c := r.config(data)
	if len(r.problems) > 0 {
		return nil, &Error{Op: "read", Name: o.File, Err: &Problems{List: r.excerpts.sorted(r.problems), Omitted: r.omitted}}
	}
	return c, nil
}

func (r *reader) config(data []byte) *Config {
	root := r.document(data)
	if root == nil {
		return nil
	}
	read, ok := fileKind().read(r, root)
	if !ok {
		return nil
	}
	c := &Config{File: r.options.File, Defaults: read.defaults, root: root, shown: r.options.Checks.Shown,
		vaults: make(map[string]*Vault, len(read.vaults)), jobs: make(map[string]*Job, len(read.jobs))}
	for i := range read.vaults {
		e := &read.vaults[i]
		e.value.Name = e.name
		c.Vaults = append(c.Vaults, &e.value)
		c.vaults[e.name] = &e.value
		r.checkVault(e)
		r.checkApart(read.vaults[:i], e)
	}
	known := names(read.vaults)
	series := map[string]*entry[Job]{}
	for i := range read.jobs {
		e := &read.jobs[i]
		e.value.Name = e.name
		if e.value.Series == "" {
			e.value.Series = e.name
		}
		c.Jobs = append(c.Jobs, &e.value)
		c.jobs[e.name] = &e.value
		r.checkJob(e, c, known)
		r.checkSeries(e, series)
	}
	return c
}
