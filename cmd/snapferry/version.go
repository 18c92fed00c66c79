package main

import (
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionReport is the result of the command version.
type versionReport struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the commit is not all that was built
	Go       string `json:"go"`
	Platform string `json:"platform"` // GOOS/GOARCH
}

func newVersionCommand(d *deps) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  exactly(),
		RunE:  func(*cobra.Command, []string) error { return runVersion(d) },
	}
}

func runVersion(d *deps) error {
	v := findVersion()
	return d.print(v, func(w io.Writer) {
		line(w, "snapferry %s", v.Version)
		if v.Commit != "" {
			line(w, "commit %s", v.Commit)
		}
		line(w, "%s %s", v.Go, v.Platform)
	})
}

// findVersion tells what the linker was told, else what the build recorded.
func findVersion() versionReport {
	v := versionReport{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if v.Version == "" && ok && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	if v.Version == "" {
		v.Version = "devel"
	}
	return v
}

// programName is what captures and manifests call this program.
func programName() string { return "snapferry " + findVersion().Version }
