package install

import (
	"fmt"
	"slices"
	"strings"
)

// Setting is something that can be configured, whatever a version calls it.
type Setting int

// The settings that say where things are.
const (
	DataDirectory    Setting = iota // the stores, below databases
	LogsDirectory                   // the transaction logs: a folder for each database, but in 3.5
	DumpsDirectory                  // where dumps go by default; 3.5 has none
	LibDirectory                    // the jars of Neo4j
	PluginsDirectory                // the jars of plug-ins
)

// The settings of servers of our own.
const (
	defaultDatabase Setting = iota + 100
	strictValidation
	usageReports
	fleetManager
	authEnabled
	boltEnabled
	boltListen
	boltAdvertised
	boltTLS
	defaultListen
	httpEnabled
	httpListen
	httpsEnabled
	heapInitial
	heapMax
	pageCache
	preallocateLogs
	jvmAdditional
	backupEnabled
	backupListen
)

// spelling has the names of one setting; empty: that version has none.
type spelling struct{ v35, v4, v5 string }

func spellings() map[Setting]spelling {
	same := func(name string) spelling { return spelling{name, name, name} }
	was := func(before, since5 string) spelling { return spelling{before, before, since5} }
	return map[Setting]spelling{
		DataDirectory:    was("dbms.directories.data", "server.directories.data"),
		LogsDirectory:    {"dbms.directories.tx_log", "dbms.directories.transaction.logs.root", "server.directories.transaction.logs.root"},
		DumpsDirectory:   {"", "dbms.directories.dumps.root", "server.directories.dumps.root"},
		LibDirectory:     was("dbms.directories.lib", "server.directories.lib"),
		PluginsDirectory: was("dbms.directories.plugins", "server.directories.plugins"),
		defaultDatabase:  {"dbms.active_database", "dbms.default_database", "initial.dbms.default_database"},
		strictValidation: was("dbms.config.strict_validation", "server.config.strict_validation.enabled"),
		usageReports:     {"dbms.udc.enabled", "", "dbms.usage_report.enabled"},
		authEnabled:      same("dbms.security.auth_enabled"),
		boltEnabled:      was("dbms.connector.bolt.enabled", "server.bolt.enabled"),
		boltListen:       was("dbms.connector.bolt.listen_address", "server.bolt.listen_address"),
		boltAdvertised:   was("dbms.connector.bolt.advertised_address", "server.bolt.advertised_address"),
		boltTLS:          was("dbms.connector.bolt.tls_level", "server.bolt.tls_level"),
		defaultListen:    {"dbms.connectors.default_listen_address", "dbms.default_listen_address", "server.default_listen_address"},
		httpEnabled:      was("dbms.connector.http.enabled", "server.http.enabled"),
		httpListen:       was("dbms.connector.http.listen_address", "server.http.listen_address"),
		httpsEnabled:     was("dbms.connector.https.enabled", "server.https.enabled"),
		heapInitial:      was("dbms.memory.heap.initial_size", "server.memory.heap.initial_size"),
		heapMax:          was("dbms.memory.heap.max_size", "server.memory.heap.max_size"),
		pageCache:        was("dbms.memory.pagecache.size", "server.memory.pagecache.size"),
		preallocateLogs:  {"", "dbms.tx_log.preallocate", "db.tx_log.preallocate"},
		backupEnabled:    was("dbms.backup.enabled", "server.backup.enabled"),
		backupListen:     {"dbms.backup.address", "dbms.backup.listen_address", "server.backup.listen_address"},
		jvmAdditional:    {"", "dbms.jvm.additional", "server.jvm.additional"},
	}
}

// Name is what the version calls the setting; empty: it has none of that kind.
func (v Version) Name(s Setting) string {
	if s == fleetManager {
		if v.Major >= firstFleetManager {
			return "dbms.fleet_manager.enabled"
		}
		return ""
	}
	names := spellings()[s]
	switch {
	case v.Major < 4:
		return names.v35
	case v.Major < 5:
		return names.v4
	}
	return names.v5
}

// firstFleetManager is the first series in which servers report to a manager
// elsewhere unless they are told not to.
const firstFleetManager = 2025

// HomeConf is the configuration of a server of our own: what is not set here is
// as Neo4j has it by default, and so nothing of the live one gets in.
type HomeConf struct {
	Lib      string // folder of Neo4j's jars
	Plugins  string // folder of plug-ins; empty: the home's own, which is empty
	Data     string // folder of the stores; empty: the home's own
	Logs     string // folder of the transaction logs; empty: as it follows from Data
	Database string // what is served, besides system
	// Bolt is the address to listen on, of the loopback device. Empty: the server
	// has no connector at all.
	Bolt string
	// Open lets everybody in who can reach Bolt.
	Open            bool
	Heap, PageCache int64 // bytes
}

// HomeConf returns the neo4j.conf of a server of our own, in the spelling of the
// version. Everything is validated strictly where the version can.
func (v Version) HomeConf(h HomeConf) ([]byte, error) {
	var b strings.Builder
	var err error
	set := func(s Setting, value string) {
		name := v.Name(s)
		if name == "" || value == "" {
			return
		}
		if strings.ContainsAny(value, "\n\r\x00") || strings.TrimSpace(value) != value {
			err = fmt.Errorf("%s: %q cannot stand in a configuration", name, value)
			return
		}
		fmt.Fprintf(&b, "%s=%s\n", name, strings.ReplaceAll(value, `\`, `\\`))
	}
	set(LibDirectory, h.Lib)
	set(PluginsDirectory, h.Plugins)
	set(DataDirectory, h.Data)
	set(LogsDirectory, h.Logs)
	set(defaultDatabase, h.Database)
	set(strictValidation, "true")
	set(usageReports, "false")
	set(fleetManager, "false")
	set(authEnabled, fmt.Sprint(!h.Open))
	set(boltEnabled, fmt.Sprint(h.Bolt != ""))
	set(boltListen, h.Bolt)
	set(boltAdvertised, h.Bolt)
	// 3.5 ends by itself without HTTP; port 0 is one that nobody is told.
	http := h.Bolt != "" && v.Major < 4
	set(httpEnabled, fmt.Sprint(http))
	if http {
		set(httpListen, "127.0.0.1:0")
	}
	set(httpsEnabled, "false")
	set(heapInitial, fmt.Sprint(min(h.Heap, 256<<20)))
	set(heapMax, fmt.Sprint(h.Heap))
	set(pageCache, fmt.Sprint(h.PageCache))
	set(preallocateLogs, "false")
	for _, option := range v.jvmOptions() {
		set(jvmAdditional, option)
	}
	return []byte(b.String()), err
}

// jvmOptions are those without which Neo4j does not run, or not well, and the
// collector that takes least. 3.5 was
// made for a Java that knows none of them.
func (v Version) jvmOptions() []string {
	if v.Major < 4 {
		return nil
	}
	var options []string
	for _, opened := range []string{"java.lang", "java.util", "java.util.concurrent", "java.nio", "java.io", "sun.nio.ch"} {
		options = append(options, "--add-opens=java.base/"+opened+"=ALL-UNNAMED")
	}
	if v.Major >= 5 {
		options = append(options, "--enable-native-access=ALL-UNNAMED")
	}
	return slices.Concat(options, []string{"-XX:+UseSerialGC"})
}
