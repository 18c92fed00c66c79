package install

import (
	"os"
	"path/filepath"
	"testing"
)

// The jars tell the version, if they are those of the neo4j-admin, and of one
// version.
func TestKnowVersion(t *testing.T) {
	for name, c := range map[string]struct {
		jars  []string
		admin string
		want  string
	}{
		"usual":     {[]string{"neo4j-kernel-5.26.31.jar", "neo4j-kernel-api-5.26.31.jar", "netty-4.jar"}, "bin/neo4j-admin", "5.26.31"},
		"calendar":  {[]string{"neo4j-kernel-2026.09.0.jar"}, "bin/neo4j-admin", "2026.09.0"},
		"two":       {[]string{"neo4j-kernel-5.26.31.jar", "neo4j-kernel-5.26.30.jar"}, "bin/neo4j-admin", ""},
		"none":      {nil, "bin/neo4j-admin", ""},
		"too old":   {[]string{"neo4j-kernel-3.4.18.jar"}, "bin/neo4j-admin", ""},
		"elsewhere": {[]string{"neo4j-kernel-5.26.31.jar"}, "../neo4j-admin", ""},
	} {
		home := filepath.Join(t.TempDir(), "a[b]*c")
		if err := os.MkdirAll(filepath.Join(home, "lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, jar := range c.jars {
			if err := os.WriteFile(filepath.Join(home, "lib", jar), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		in := &Installation{Home: home, Admin: filepath.Join(home, c.admin)}
		if known := in.KnowVersion(); known != (c.want != "") || in.Version.Text != c.want {
			t.Errorf("%s: %t, %q", name, known, in.Version.Text)
		}
	}
}
