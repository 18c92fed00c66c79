package install

// Setting is something that can be configured, whatever a version calls it.
type Setting int

// The settings that say where things are.
const (
	DataDirectory  Setting = iota // the stores, below databases
	LogsDirectory                 // the transaction logs: a folder for each database, but in 3.5
	DumpsDirectory                // where dumps go by default; 3.5 has none
)

// Name is what the version calls the setting; empty: it has none of that kind.
func (v Version) Name(s Setting) string {
	names := map[Setting]struct{ v35, v4, v5 string }{
		DataDirectory:  {"dbms.directories.data", "dbms.directories.data", "server.directories.data"},
		LogsDirectory:  {"dbms.directories.tx_log", "dbms.directories.transaction.logs.root", "server.directories.transaction.logs.root"},
		DumpsDirectory: {"", "dbms.directories.dumps.root", "server.directories.dumps.root"},
	}[s]
	switch {
	case v.Major < 4:
		return names.v35
	case v.Major < 5:
		return names.v4
	}
	return names.v5
}
