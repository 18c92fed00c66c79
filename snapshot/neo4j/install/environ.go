package install

import (
	"fmt"
	"strings"
)

// Environ is our environment, environ, for the programs of the installation.
// Cloud credentials are none of their business: a crashing JVM writes its
// environment to a file. tempDir is for temporary files of JVMs; empty: Java
// chooses.
func (in *Installation) Environ(environ []string, tempDir string) []string {
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
	if in.Home != "" {
		env = append(env, "NEO4J_HOME="+in.Home, "NEO4J_CONF="+in.Conf)
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
	return name == "NEO4J_PASSWORD" // which is ours
}
