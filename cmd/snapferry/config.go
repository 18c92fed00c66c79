package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/snapferry/snapferry/config"
)

func newConfigCommand(d *deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, print and describe the configuration",
		Long: `The configuration is the file snapferry.yaml, which names vaults and jobs. It is --config PATH, else what SNAPFERRY_CONFIG names, else
the first that exists of ./snapferry.yaml, snapferry/snapferry.yaml in the user's folder of configurations, and /etc/snapferry/snapferry.yaml.`,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newConfigValidateCommand(d), newConfigPrintCommand(d), newConfigSchemaCommand(d))
	return c
}

// validateReport is the result of config validate.
type validateReport struct {
	File     string           `json:"file"`
	Valid    bool             `json:"valid"`
	Vaults   int              `json:"vaults"`
	Jobs     int              `json:"jobs"`
	Problems []config.Problem `json:"problems"`
	Omitted  int              `json:"omitted"` // problems beyond those
	Warnings []string         `json:"warnings"`
}

func newConfigValidateCommand(d *deps) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Tell all that is wrong with the configuration, and where",
		Long: `Validate reads FILE, or the configuration that other commands would use, and tells all that is wrong with it.
It reaches for no vault and fetches no secret.`,
		Args: optionalFile,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				d.config.path = args[0]
			}
			return runConfigValidate(d)
		},
	}
}

// optionalFile takes the path of a configuration, or nothing.
func optionalFile(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return exactly("FILE")(c, args)
}

func runConfigValidate(d *deps) error {
	path, _ := config.Find(d.config.path)
	if path == "" {
		_, err := d.mustConfigured("config validate")
		return err
	}
	report := validateReport{File: path, Problems: []config.Problem{}, Warnings: []string{}}
	conf, err := config.Load(path, config.Options{Checks: d.checks()})
	problems, found := errors.AsType[*config.Problems](err)
	switch {
	case found:
		report.Problems, report.Omitted = problems.List, problems.Omitted
	case err != nil:
		return d.configError(err)
	default:
		report.Valid, report.Vaults, report.Jobs = true, len(conf.Vaults), len(conf.Jobs)
		report.Warnings = append(report.Warnings, conf.Warnings...)
	}
	perr := d.print(report, func(w io.Writer) {
		if found {
			_, _ = io.WriteString(w, problems.Show(path)) // Flush tells
			return
		}
		line(w, "%s is valid: %s, %s", path, count(report.Vaults, "vault"), count(report.Jobs, "job"))
		for _, text := range report.Warnings {
			line(w, "warning: %s", text)
		}
	})
	if err != nil {
		err = &usageError{err}
	}
	return errors.Join(err, perr)
}

// printReport is the result of config print.
type printReport struct {
	File    string            `json:"file"`
	Values  map[string]any    `json:"values"`
	Origins map[string]string `json:"origins"`
}

func newConfigPrintCommand(d *deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "print [FILE]",
		Short: "Print the effective values of the configuration, and the origin of each",
		Long: `Print shows the configuration after environment, defaults and flags, as a file that says the same. A comment tells the origin of each value: a line
of the file, the defaults of the file or of the program, a flag. Secrets are shown by where they are kept, credentials elsewhere are masked.`,
		Args: optionalFile,
	}
	backup := newBackupCommand(d)
	for _, key := range config.SettingKeys() {
		if f := backup.Flags().Lookup(config.FlagOf(key)); f != nil {
			c.Flags().AddFlag(f)
		}
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			d.config.path = args[0]
		}
		return runConfigPrint(c, d)
	}
	return c
}

func runConfigPrint(c *cobra.Command, d *deps) error {
	conf, err := d.mustConfigured("config print")
	if err != nil {
		return err
	}
	var flags config.Settings
	for _, key := range config.SettingKeys() {
		if f := c.Flags().Lookup(config.FlagOf(key)); f != nil && f.Changed {
			flags = append(flags, config.Setting{Key: key, Value: flagText(f)})
		}
	}
	if d.global.json {
		report := printReport{File: conf.File}
		report.Values, report.Origins = conf.Values(flags)
		return writeJSON(d.stdout, report)
	}
	if _, err := io.WriteString(d.stdout, conf.Print(flags)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func flagText(f *pflag.Flag) string { return f.Value.String() }

func newConfigSchemaCommand(d *deps) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Example: `  snapferry config schema > snapferry.schema.json
  # and as the first line of snapferry.yaml:  # yaml-language-server: $schema=snapferry.schema.json`,
		Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema()
			if err == nil {
				_, err = d.stdout.Write(text)
			}
			if err != nil {
				return fmt.Errorf("write result: %w", err)
			}
			return nil
		},
	}
}
