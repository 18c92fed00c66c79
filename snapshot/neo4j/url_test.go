package neo4j

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/clone"
	"github.com/snapferry/snapferry/snapshot/neo4j/guard"
	"github.com/snapferry/snapferry/snapshot/neo4j/manager"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]request{
		"neo4j+dump:///neo4j":                              {database: "neo4j"},
		"neo4j+dump:///My-DB.test?home=/opt/neo4j":         {database: "my-db.test", home: "/opt/neo4j"},
		"neo4j+dump:///system/?home=/a%20b&scratch=%2Ftmp": {database: "system", home: "/a b", scratch: "/tmp"},
		"neo4j+dump:///2024graph":                          {database: "2024graph"},
		"neo4j+dump:///":                                   {database: "the databases of the server", several: true},
		"neo4j+dump:///*":                                  {database: "all databases", several: true, every: true},
		"neo4j+dump:///Shop,system":                        {database: "shop,system", several: true, databases: []string{"shop", "system"}},
		"neo4j+dump:///neo4j?scratch=/s&stop=yes&manager=systemd:neo4j.service&stop_timeout=90s&max_downtime=5m&bolt=db": {database: "neo4j", scratch: "/s",
			stop: true, boltAt: "db:7687", manager: manager.Manager{Kind: manager.Systemd, Name: "neo4j.service"}, stopTimeout: 90 * time.Second, maxDowntime: 5 * time.Minute},
		"neo4j+dump:///neo4j?exec=docker+exec+-i+db&expand_commands=yes":     {database: "neo4j", exec: []string{"docker", "exec", "-i", "db"}, expand: true},
		"neo4j+dump:///neo4j?stop=no":                                        {database: "neo4j"},
		"neo4j+snapshot:///neo4j?via=btrfs&scratch=/s&check=yes&memory=1024": {database: "neo4j", scratch: "/s", via: clone.Btrfs, check: true, memory: 1 << 30},
		"neo4j+snapshot:///neo4j?via=command&program=/p&scratch=/s&home=/h":  {database: "neo4j", home: "/h", scratch: "/s", via: clone.Command, program: "/p"},
		"neo4j+online://db1/neo4j?scratch=/s": {database: "neo4j", scratch: "/s",
			online: online{from: []string{"db1:6362"}, kind: "auto", bolt: "db1:7687"}},
		"neo4j+online://[::1]:7000/?chain_dir=/c&also=db2,db3:1&type=diff&full_every=7d&include_metadata=none&bolt=db4&memory=1024": {
			database: "the databases of the server", several: true, memory: 1 << 30, online: online{from: []string{"[::1]:7000", "db2:6362", "db3:1"}, chainDir: "/c", kind: "diff",
				fullEvery: 7 * 24 * time.Hour, metadata: "none", bolt: "db4:7687"}},
	} {
		if !want.stop {
			want.manager.Kind, want.stopTimeout = manager.Auto, guard.DefaultStopTimeout
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if !want.several {
			want.databases = []string{want.database}
		}
		if got, err := parseURL(u); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for text, hint := range map[string]string{
		"neo4j+offline:///neo4j":                                         "neo4j+dump",
		"neo4j+online:///neo4j":                                          "neo4j+online://HOST",
		"neo4j+online://user:secret@host/neo4j":                          "before the @",
		"neo4j+online://host/neo4j":                                      "scratch=DIR",
		"neo4j+online://-x/neo4j?scratch=/s":                             "HOST:PORT",
		"neo4j+online://host:99999/neo4j?scratch=/s":                     "HOST:PORT",
		"neo4j+online://host/neo4j?scratch=/s&also=host:6362":            "once",
		"neo4j+online://host/neo4j?scratch=/s&also=a,,b":                 "HOST:PORT",
		"neo4j+online://host/neo4j?scratch=/s&type=diff":                 "chain_dir=DIR",
		"neo4j+online://host/neo4j?scratch=/s&full_every=7d":             "chain_dir=DIR",
		"neo4j+online://host/neo4j?chain_dir=/s&full_every=5m":           "7d",
		"neo4j+online://host/neo4j?chain_dir=/s&full_every=7d&type=full": "Leave out",
		"neo4j+online://host/neo4j?chain_dir=/s&aggregate=yes&type=full": "aggregate=yes",
		"neo4j+online://host/neo4j?scratch=/s&aggregate=yes":             "chain_dir=DIR",
		"neo4j+online://host/neo4j?scratch=/s&type=incremental":          "auto, full, diff",
		"neo4j+online://host/neo4j?scratch=/s&include_metadata=some":     "all, users",
		"neo4j+online://host/neo4j?scratch=/s&stop=yes":                  "The parameters are",
		"neo4j+dump://neo4j?home=/h":                                     "three slashes",
		"neo4j+dump://user:secret@host/neo4j":                            "three slashes",
		"neo4j+dump:neo4j":                                               "three slashes",
		"neo4j+load:///":                                                 "Name the database",
		"neo4j+load:///shop,system":                                      "one after the other",
		"neo4j+load:///*":                                                "one after the other",
		"neo4j+dump:///*,shop":                                           "alone for all",
		"neo4j+dump:///ne%3F":                                            "alone for all",
		"neo4j+dump:///shop,shop":                                        "once",
		"neo4j+dump:///shop,":                                            "Name the database",
		"neo4j+dump:///ab":                                               "3 to 63",
		"neo4j+dump:///--to-path":                                        "begins with",
		"neo4j+dump:///.neo4j":                                           "begins with",
		"neo4j+dump:///my_db":                                            "3 to 63",
		"neo4j+dump:///a/../b":                                           "3 to 63",
		"neo4j+dump:///neo4j%0Ax":                                        "3 to 63",
		"neo4j+dump:///neo4j%00":                                         "3 to 63",
		"neo4j+dump:///" + strings.Repeat("a", 64):                       "3 to 63",
		"neo4j+dump:///neo4j#frag":                                       "#",
		"neo4j+dump:///neo4j?hom=/h":                                     `"home"`,
		"neo4j+dump:///neo4j?Scratch=/h":                                 `"scratch"`,
		"neo4j+dump:///neo4j?home=":                                      "once",
		"neo4j+dump:///neo4j?home=/a&home=/b":                            "once",
		"neo4j+dump:///neo4j?home=%zz":                                   "%26",
		"neo4j+snapshot:///neo4j":                                        "via=btrfs",
		"neo4j+snapshot:///neo4j?via=btrfs":                              "scratch=DIR",
		"neo4j+snapshot:///neo4j?via=btrfs&scratch=/s&program=/p":        "via=command",
		"neo4j+snapshot:///neo4j?via=command&scratch=/s":                 "program=PATH",
		"neo4j+snapshot:///neo4j?via=tape&scratch=/s":                    "zfs, lvm",
		"neo4j+snapshot:///neo4j?via=zfs&scratch=/s&memory=8":            "memory=4096",
		"neo4j+snapshot:///neo4j?via=zfs&scratch=/s&memory=2GiB":         "memory=4096",
		"neo4j+snapshot:///neo4j?via=zfs&scratch=/s&check=monthly":       "check=yes",
		"neo4j+snapshot:///neo4j?via=zfs&scratch=/s&stop=yes":            "The parameters are",
		"neo4j+dump:///neo4j?exec=x&scratch=/s":                          "leave out scratch",
		"neo4j+dump:///?exec=x":                                          "named database",
		"neo4j+dump:///neo4j?exec=+":                                     "docker exec",
		"neo4j+dump:///neo4j?exec=-x":                                    "docker exec",
		"neo4j+load:///neo4j?exec=x":                                     "The parameters are",
		"neo4j+dump:///neo4j?stream=yes":                                 "stop=yes",
		"neo4j+dump:///a00,b00?stop=yes&scratch=/s&stream=yes":           "one database",
		"neo4j+dump:///neo4j?stop=yes&stream=yes":                        "scratch=DIR",
		"neo4j+copy:///neo4j?scratch=/s&stream=yes":                      "The parameters are",
		"neo4j+dump:///neo4j?stop=maybe":                                 "stop=yes, stop=no, or stop=server",
		"neo4j+dump:///neo4j?stop=yes":                                   "scratch=DIR",
		"neo4j+dump:///neo4j?manager=neo4j":                              "stop=yes",
		"neo4j+dump:///neo4j?bolt=db":                                    "stop=yes",
		"neo4j+dump:///neo4j?stop=yes&scratch=/s&bolt=db:x":              "HOST:PORT",
		"neo4j+dump:///neo4j?stop_timeout=1m":                            "stop=yes",
		"neo4j+dump:///neo4j?stop=yes&scratch=/s&max_downtime=5":         "10m",
		"neo4j+dump:///neo4j?stop=yes&scratch=/s&stop_timeout=1ms":       "10m",
		"neo4j+dump:///neo4j?stop=yes&scratch=/s&manager=docker":         "docker:NAME",
		"neo4j+dump:///neo4j?stop=yes&scratch=/s&manager=systemd:--help": "systemd:UNIT",
		"neo4j+dump:///neo4j?stop=yes&scratch=/s&manager=launchd:x":      "command:PROGRAM",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseURL(u)
		var e *snapshot.Error
		if !errors.As(err, &e) || !errors.Is(err, snapshot.ErrUsage) || !strings.Contains(e.Hint, hint) {
			t.Errorf("%s: %v with hint %q, want one that says %q", text, err, hintOfError(e), hint)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v repeats the password", text, err)
		}
	}
}

func hintOfError(e *snapshot.Error) string {
	if e == nil {
		return ""
	}
	return e.Hint
}

func TestHome(t *testing.T) {
	t.Setenv("NEO4J_HOME", "")
	if _, err := Open(&url.URL{Scheme: Scheme, Path: "/neo4j"}, Options{}); !errors.Is(err, snapshot.ErrUsage) {
		t.Errorf("no home: %v", err)
	}
	if _, err := Open(&url.URL{Scheme: Scheme, Path: "/neo4j", RawQuery: "home=/no/such/place"}, Options{}); !errors.Is(err, snapshot.ErrNotFound) {
		t.Errorf("a home that is not there: %v", err)
	}
}
