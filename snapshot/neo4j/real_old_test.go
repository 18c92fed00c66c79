//go:build linux

package neo4j

import (
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/drill"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// Neo4j 3.5 and 4.4 have other commands, settings and folders. Their dumps come
// back all the same, and what is in the way is told in the same words.
func TestOldNeo4j(t *testing.T) {
	for _, text := range []string{testenv.Neo4j35, testenv.Neo4j44} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			v, err := install.ParseVersion(text + "\n")
			if err != nil {
				t.Fatal(err)
			}
			database, home := v.DefaultDatabase(), testenv.Neo4j(t, text)
			home.Start()
			home.Query("UNWIND range(1, 2000) AS i CREATE (:N {i: i})")
			open := func(home *testenv.Neo4jHome, parameters string) snapshot.Source {
				u, err := url.Parse(Scheme + ":///" + database + "?home=" + url.QueryEscape(home.Home) + parameters)
				if err != nil {
					t.Fatal(err)
				}
				s, err := Open(u, Options{Host: "test-host"})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			dir := t.TempDir()
			scratch := "&scratch=" + url.QueryEscape(dir)
			_, err = open(home, scratch).Capture(t.Context())
			wantHint(t, err, ErrInUse, "add stop=yes")
			home.Stop()

			c, err := open(home, scratch).Capture(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if info := c.Info(); info.Facts["neo4j"] != text || info.Facts["database"] != database || info.Facts["storeFormat"] == "" || !info.Resumable {
				t.Errorf("%+v", info)
			}
			dumps := t.TempDir()
			path := filepath.Join(dumps, database+".dump")
			image := c.Images()[0]
			b := make([]byte, image.Size)
			if _, err := image.Data.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.WriteFile(path, b, 0o600), c.Check(t.Context()), c.Close()); err != nil {
				t.Fatal(err)
			}

			second := testenv.Neo4j(t, text)
			// 3.5 does not make the folder.
			if err := os.MkdirAll(filepath.Join(second.Home, "data", "databases"), 0o700); err != nil {
				t.Fatal(err)
			}
			if out, err := second.Run(v.Load(database, dumps, false)...); err != nil {
				t.Fatalf("load: %v\n%s", err, out)
			}
			second.Start()
			if got := second.Count("MATCH (n:N) RETURN count(n)"); got != 2000 {
				t.Errorf("%d nodes came back", got)
			}
			second.Query("CREATE (:M)")
			second.Kill()
			_, err = open(second, scratch).Capture(t.Context())
			wantHint(t, err, ErrNeedsRecovery, "stop it cleanly")
			crashed := openCopy(t, database, second.Home, dir, "")
			c, err = crashed.Capture(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			drillCopy(t, c, crashed.admin.Installation, database, drill.Check{Cypher: "MATCH (n) RETURN count(n)", Expect: "2001"})
			closeCapture(t, c)

			c, err = open(home, "").Capture(t.Context())
			if text == testenv.Neo4j35 {
				wantHint(t, err, snapshot.ErrUsage, "scratch")
				return
			}
			if err != nil {
				t.Fatalf("as a stream: %v", err)
			}
			if _, err := io.Copy(io.Discard, c.Images()[0].Stream); err != nil {
				t.Error(err)
			}
			if err := errors.Join(c.Check(t.Context()), c.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}
