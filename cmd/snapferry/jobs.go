package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/config"
	"github.com/snapferry/snapferry/job"
)

// configuration is what a command line has of a configuration. It is read at
// most once, when it is first needed.
type configuration struct {
	path   string // of --config
	read   bool
	result *config.Config // nil: there is none
	named  bool           // the user named it
}

// configured returns the configuration, or nil if there is none.
func (d *deps) configured() (*config.Config, error) {
	if d.config.read {
		return d.config.result, nil
	}
	path, named := config.Find(d.config.path)
	if path != "" {
		c, err := config.Load(path, config.Options{Checks: d.checks()})
		if err != nil {
			return nil, d.configError(err)
		}
		for _, w := range c.Warnings {
			d.log().Warn(w)
		}
		d.config.result, d.config.named = c, named
	}
	d.config.read = true
	return d.config.result, nil
}

// configError makes an error of the configuration one of usage, and shows the
// lines it is about.
func (d *deps) configError(err error) error {
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		e, _ := errors.AsType[*config.Error](err)
		_, _ = fmt.Fprint(d.stderr, problems.Show(e.Name)) // the error follows in any case
	}
	if errors.Is(err, config.ErrInvalid) {
		return &usageError{err}
	}
	return err
}

// mustConfigured is configured, for what makes no sense without.
func (d *deps) mustConfigured(what string) (*config.Config, error) {
	c, err := d.configured()
	if err == nil && c == nil {
		return nil, refused(what, errors.New("there is no configuration"),
			"name one with --config PATH or "+config.Variable+", or write one of "+strings.Join(config.Places(), ", "))
	}
	return c, err
}

// checks is what this program knows about values that config does not.
func (d *deps) checks() config.Checks {
	commands := []*cobra.Command{newBackupCommand(d), newRestoreCommand(d)}
	return config.Checks{
		URL: job.CheckVault, Apart: job.CheckApart, Source: job.CheckSource, Series: job.CheckSeries, Drill: job.CheckDrill, Lock: remembered(checkLock),
		Shown: job.Redact,
		Setting: func(key, value string) error {
			if key == "bandwidth" { // its flag is read when it is used
				return job.CheckBandwidth(value)
			}
			for _, c := range commands {
				if f := c.Flags().Lookup(config.FlagOf(key)); f != nil {
					return f.Value.Set(value)
				}
			}
			return errors.New("this version of snapferry does not have it")
		},
	}
}

// isVaultName reports whether an argument can be the name of a vault of the
// configuration: a path or a URL has a slash or a colon.
func isVaultName(arg string) bool {
	return arg != "" && arg != "-" && !strings.ContainsAny(arg, `/\:`) && !strings.HasPrefix(arg, ".")
}

// vault returns the vault that an argument names: one of the configuration, if
// it has one of exactly that name, else a path or a URL. The defaults of a
// configuration that is used hold for the flags of c.
func (d *deps) vault(c *cobra.Command, arg string) (job.Vault, error) {
	plain := job.Vault{URL: arg}
	if !isVaultName(arg) && !d.configNamed() {
		return plain, nil
	}
	conf, err := d.configured()
	if err != nil || conf == nil {
		return plain, err
	}
	named := conf.Vault(arg)
	if named == nil && !d.config.named {
		return plain, nil
	}
	if err := settle(c, conf.SettingsOf(nil)); err != nil || named == nil {
		return plain, err
	}
	return vaultOf(named)
}

// configNamed reports whether the user named a configuration.
func (d *deps) configNamed() bool {
	_, named := config.Find(d.config.path)
	return named
}

// vaults returns the vaults that arguments name.
func (d *deps) vaults(c *cobra.Command, args []string) ([]job.Vault, error) {
	list := make([]job.Vault, len(args))
	for i, arg := range args {
		var err error
		if list[i], err = d.vault(c, arg); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// backupArg returns the backup that VAULT#REFERENCE names, and what using its
// vault takes.
func (d *deps) backupArg(c *cobra.Command, arg string) (string, job.Access, error) {
	name, reference, found := strings.Cut(arg, "#")
	if !found {
		return arg, job.Access{}, nil
	}
	v, err := d.vault(c, name)
	if err != nil || v.Name == "" {
		return arg, v.Access, err
	}
	return v.URL + "#" + reference, v.Access, nil
}

// backupsArg is backupArg, of which a vault alone means all its backups.
func (d *deps) backupsArg(c *cobra.Command, arg string) (string, job.Access, error) {
	if strings.Contains(arg, "#") {
		return d.backupArg(c, arg)
	}
	v, err := d.vault(c, arg)
	return v.URL, v.Access, err
}

// vaultOf maps a vault of the configuration to one of a job.
func vaultOf(v *config.Vault) (job.Vault, error) {
	access := job.Access{Recipients: slices.Clip(v.Encrypt.Age), Passphrase: secretOf(v.Encrypt.Passphrase),
		SignWith: secretOf(v.Sign.Key), Signers: slices.Clip(v.Sign.Signers), Versions: v.Versions}
	for _, s := range v.Identities {
		access.Identities = append(access.Identities, secretOf(s))
	}
	for tier, lock := range v.Lock {
		if access.Locks == nil {
			access.Locks = map[string]job.LockPolicy{}
		}
		access.Locks[tier] = job.LockPolicy{Mode: lock.Mode, Days: lock.Days}
	}
	spec := job.RetentionSpec{Text: v.RetentionText(), Zone: v.Zone, MaxChain: v.MaxChain, MaxUpload: v.MaxUpload, Undo: v.Undo, RestoreDays: v.RestoreDays,
		Transitions: map[string]job.Transition{}}
	for tier, t := range v.Transitions {
		spec.Transitions[tier] = job.Transition(t)
	}
	var err error
	access.Retention, err = spec.Policy()
	return job.Vault{Name: v.Name, URL: v.URL, Access: access}, err
}

// remembered is check with a memory: it takes some milliseconds, and many
// vaults have the same policy.
func remembered(check func(v *config.Vault, tier string) error) func(v *config.Vault, tier string) error {
	type policy struct {
		kept  string
		zone  string
		chain int
		tier  string
		lock  config.Lock
	}
	known := map[policy]error{}
	return func(v *config.Vault, tier string) error {
		p := policy{v.RetentionText(), v.Zone, v.MaxChain, tier, v.Lock[tier]}
		if _, ok := known[p]; !ok {
			known[p] = check(v, tier)
		}
		return known[p]
	}
}

// checkLock compares the lock of one tier with how long its backups live.
func checkLock(v *config.Vault, tier string) error {
	one, err := vaultOf(v)
	if err != nil {
		return err
	}
	one.Locks = map[string]job.LockPolicy{tier: one.Locks[tier]}
	return one.CheckLocks()
}

// secretOf maps a secret; none is nil.
func secretOf(s config.Secret) job.Secret {
	if s.IsZero() {
		return nil
	}
	return func(ctx context.Context) ([]byte, error) {
		text, err := s.Fetch(ctx)
		if errors.Is(err, config.ErrInvalid) {
			err = &usageError{err}
		}
		return text, err
	}
}

// settle sets the flags of c that are not on the command line.
func settle(c *cobra.Command, settings config.Settings) error {
	for _, s := range settings {
		f := c.Flags().Lookup(config.FlagOf(s.Key))
		if f == nil || f.Changed {
			continue
		}
		if err := f.Value.Set(s.Value); err != nil {
			return refused(s.Key, err, fmt.Sprintf("change it in line %d of the configuration", s.Line))
		}
	}
	return nil
}

// jobOf returns a job of the configuration and its vaults, and sets the flags
// of c as the job wants them.
func (d *deps) jobOf(c *cobra.Command, name string) (*config.Job, []job.Vault, error) {
	conf, err := d.mustConfigured("--job " + name)
	if err != nil {
		return nil, nil, err
	}
	j, err := conf.Job(name)
	if err != nil {
		return nil, nil, &usageError{err}
	}
	list := make([]job.Vault, len(j.Vaults))
	for i, v := range j.Vaults {
		if list[i], err = vaultOf(conf.Vault(v)); err != nil {
			return nil, nil, err
		}
	}
	return j, list, settle(c, conf.SettingsOf(j))
}

// jobFlag is --job of the commands that read: it stands for the first vault
// and the series of a job.
const jobFlag = "job"

func registerJob(c *cobra.Command, what string) {
	c.Flags().String(jobFlag, "", "a job of the configuration, for "+what)
}

func jobName(c *cobra.Command) string { return c.Flag(jobFlag).Value.String() }

// exactlyOrJob takes the arguments of exactly, of which --job replaces or
// completes the first.
func exactlyOrJob(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if jobName(c) != "" && len(args) == len(names)-1 {
			return exactly(names[1:]...)(c, args)
		}
		return exactly(names...)(c, args)
	}
}

// backupOrJob returns the backup that the first argument names, or that --job
// means: its latest one, unless an argument names another. rest are the other
// arguments, others of them.
func (d *deps) backupOrJob(c *cobra.Command, args []string, others int) (backup string, access job.Access, rest []string, err error) {
	name := jobName(c)
	if name == "" {
		backup, access, err = d.backupArg(c, args[0])
		return backup, access, args[1:], err
	}
	reference, rest := "latest", args
	if len(args) > others {
		reference, rest = args[0], args[1:]
	}
	j, vaults, err := d.jobOf(c, name)
	if err != nil {
		return "", access, nil, err
	}
	series := j.Series
	if job.Several(j.Source) {
		member, of, found := strings.Cut(reference, "/")
		if !found {
			return "", access, nil, refused("backup "+reference, fmt.Errorf("the job %s backs up several databases", name), "write which: neo4j/latest, or neo4j/ID")
		}
		series, reference = job.SeriesOf(series, member), of
	}
	if strings.ContainsAny(reference, "#/") {
		return "", access, nil, refused("backup "+reference, errors.New("--job names vault and series already"), "write latest or an ID, or leave out --job")
	}
	return vaults[0].URL + "#" + series + "/" + reference, vaults[0].Access, rest, nil
}
