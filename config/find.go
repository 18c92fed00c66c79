package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	// FileName is the name of a configuration.
	FileName = "snapferry.yaml"
	// Variable names a configuration in the environment.
	Variable = "SNAPFERRY_CONFIG"
)

// Find returns the path of the configuration: named, which is what the user
// said, else that of the variable SNAPFERRY_CONFIG, else the first that exists
// of ./snapferry.yaml, snapferry/snapferry.yaml in the user's folder of
// configurations, and /etc/snapferry/snapferry.yaml. explicit tells that the
// user named it. Where there is none the path is empty.
func Find(named string) (path string, explicit bool) {
	if named != "" {
		return named, true
	}
	if path := os.Getenv(Variable); path != "" {
		return path, true
	}
	for _, path := range Places() {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, false
		}
	}
	return "", false
}

// Places are where a configuration is looked for, in this order.
func Places() []string {
	places := []string{FileName}
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		places = append(places, filepath.Join(dir, "snapferry", FileName))
	} else if dir, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(dir, "snapferry", FileName))
	}
	return append(places, filepath.Join("/etc", "snapferry", FileName))
}

// Load reads the configuration at path, as Parse does.
func Load(path string, o Options) (*Config, error) {
	o.File = path
	data, warnings, err := readConfig(path)
	if err != nil {
		hint := "name it with --config PATH, or by the variable " + Variable
		if errors.Is(err, fs.ErrPermission) {
			hint = "let the user that runs snapferry read it"
		}
		return nil, &Error{Op: "read", Name: path, Err: fmt.Errorf("%w: %w", ErrInvalid, cause(err)), Hint: hint}
	}
	c, err := Parse(data, o)
	if err != nil {
		return nil, err
	}
	c.Warnings = warnings
	return c, nil
}

// readConfig reads no more than Parse takes, and one byte.
func readConfig(path string) (data []byte, warnings []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	// The bit says nothing on Windows.
	if info.Mode().IsRegular() && info.Mode().Perm()&0o002 != 0 && runtime.GOOS != "windows" {
		warnings = append(warnings, "everybody may write "+path+", and so choose what snapferry runs and where backups go: chmod o-w it")
	}
	data, err = io.ReadAll(io.LimitReader(f, MaxFile+1+3)) // 3 are a mark of byte order
	return data, warnings, err
}
