//go:build linux

package neo4j

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/snapshot"
	"github.com/snapferry/snapferry/snapshot/neo4j/drill"
	"github.com/snapferry/snapferry/snapshot/neo4j/home"
	"github.com/snapferry/snapferry/snapshot/neo4j/install"
)

// openCopy opens the source of a copy.
func openCopy(t *testing.T, database, home, scratch, more string) *source {
	t.Helper()
	u, err := url.Parse(CopyScheme + ":///" + database + "?home=" + url.QueryEscape(home) + "&scratch=" + url.QueryEscape(scratch) + more)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(u, Options{Host: "test-host", Guardian: []string{os.Args[0], asGuardian}, Now: time.Now, Log: testenv.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*source)
}

// contentOf reads the sole image of a capture.
func contentOf(t *testing.T, c snapshot.Capture) []byte {
	t.Helper()
	image := c.Images()[0]
	raw, err := io.ReadAll(io.NewSectionReader(image.Data, 0, image.Size))
	if err != nil {
		t.Fatal(err)
	}
	if image.Form != snapshot.FormTar || !strings.HasSuffix(image.Name, ".tar") || image.Compressed {
		t.Errorf("%+v", image)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	return raw
}

// drillCopy unpacks a copy, as anybody can, and drills it.
func drillCopy(t *testing.T, c snapshot.Capture, live *install.Installation, database string, checks ...drill.Check) {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, copyFolder)
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", at)
	unpack.Stdin = bytes.NewReader(contentOf(t, c))
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	result, err := drill.Run(t.Context(), drill.Request{Live: live, Dir: dir, Database: database, Copy: copyFolder, Facts: c.Info().Facts, Memory: home.LeastMemory, Quick: true,
		Checks: checks, Now: time.Now, Log: testenv.Log(t)})
	if err != nil || !result.Good() {
		t.Errorf("%+v, %v", result, err)
	}
}

// A copy is restored into the server that it came from; what is no copy is not.
func testLoadCopy(d *daemon) {
	conf := filepath.Join(d.home.Home, "conf", "neo4j.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		d.Fatal(err)
	}
	const name = "server.jvm.additional"
	if err := os.WriteFile(conf, append(text, []byte("\n"+name+"=-Djavax.net.ssl.trustStorePassword=hunter2\n")...), 0o600); err != nil {
		d.Fatal(err)
	}
	before := d.home.Count("MATCH (n) RETURN count(n)")
	c, err := openCopy(d.T, "neo4j", d.home.Home, d.scratch, "&stop=yes&conf=yes").Capture(d.Context())
	if err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	if facts := c.Info().Facts; facts[factArtifact] != copyClean || facts["downtime"] == "" || facts[factRecovery] != "" {
		d.Errorf("%v", facts)
	}
	raw := contentOf(d.T, c)
	closeCapture(d.T, c)
	d.wantClean(false)
	if bytes.Contains(raw, []byte("hunter2")) || !bytes.Contains(raw, []byte("removed by snapferry: "+name)) {
		d.Error("the configuration is not in it without its secrets")
	}
	d.home.Query("CREATE (:Later)")
	if err := d.restoreTar(raw); err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	if after := d.home.Count("MATCH (n) RETURN count(n)"); after != before {
		d.Errorf("%d nodes, and %d before", after, before)
	}
	for _, c := range []struct {
		name  string
		class error
		entry tar.Header
	}{
		{"no copy", home.ErrCopy, tar.Header{Name: "readme", Typeflag: tar.TypeReg}},
		{"a link", snapshot.ErrUnsafe, tar.Header{Name: "databases/neo4j/link", Linkname: "../../x", Typeflag: tar.TypeSymlink}},
	} {
		var bad bytes.Buffer
		w := tar.NewWriter(&bad)
		if err := errors.Join(w.WriteHeader(&c.entry), w.Close()); err != nil {
			d.Fatal(err)
		}
		if err := d.restoreTar(bad.Bytes()); !errors.Is(err, c.class) || !strings.Contains(hintOf(err), "was not touched") {
			d.Errorf("%s: %v", c.name, err)
		}
		d.wantServing(time.Minute)
	}
}

// restoreTar restores a copy over what there is.
func (d *daemon) restoreTar(raw []byte) error {
	d.Helper()
	target, err := d.target("&stop=yes", LoadOptions{Overwrite: true, DropOld: true})
	if err != nil {
		return err
	}
	sink, err := target.Create(d.Context(), snapshot.ImageInfo{Name: "neo4j.tar", Form: snapshot.FormTar, Size: int64(len(raw)), Sole: true})
	if err == nil {
		_, err = sink.(io.Writer).Write(raw)
		err = errors.Join(err, sink.Close())
	}
	if err == nil {
		err = target.Commit(d.Context())
	}
	if err != nil {
		return errors.Join(err, target.Abort())
	}
	return nil
}

// testSnapshotRaw ships a clone as it is; whoever restores it lets it recover.
func testSnapshotRaw(d *daemon, acknowledged func() int64) {
	before := acknowledged()
	c, err := d.snapshotSource("&via=btrfs&raw=yes").Capture(d.Context())
	if err != nil {
		d.Fatalf("%v\n%s", err, d.log())
	}
	if facts := c.Info().Facts; facts[factArtifact] != copyCrash || facts[factRecovery] != recoveryIsDue || facts["snapshot"] == "" {
		d.Errorf("%v", facts)
	}
	drillCopy(d.T, c, d.in, "neo4j", drill.Check{Cypher: "MATCH (c:Commit) RETURN count(c)", Expect: fmt.Sprintf(">= %d", before)},
		drill.Check{Cypher: "MATCH (c:Commit) WITH max(c.n) - count(c) AS gaps RETURN gaps", Expect: "0"})
	closeCapture(d.T, c)
	d.wantNoClone()
}

// What is open is not copied, and a copy that changes under way is none.
func TestCopyRefused(t *testing.T) {
	t.Parallel()
	home := testenv.Neo4j(t, testenv.Neo4jLTS)
	home.Start()
	scratch := t.TempDir()
	_, err := openCopy(t, "neo4j", home.Home, scratch, "").Capture(t.Context())
	wantHint(t, err, ErrInUse, "add stop=yes")
	_, err = openCopy(t, "nothing", home.Home, scratch, "").Capture(t.Context())
	wantHint(t, err, ErrNoDatabase, "")
	home.Stop()
	link := filepath.Join(home.Home, "data", "databases", "neo4j", "link")
	if err := os.Symlink(scratch, link); err != nil {
		t.Fatal(err)
	}
	_, err = openCopy(t, "neo4j", home.Home, scratch, "").Capture(t.Context())
	wantHint(t, err, snapshot.ErrUnsafe, "")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	s := openCopy(t, "neo4j", home.Home, scratch, "&conf=yes")
	s.options.Now = func() time.Time { // while the configuration is copied, at the end
		if err := os.WriteFile(link, []byte("x"), 0o600); err != nil {
			t.Error(err)
		}
		return time.Now()
	}
	_, err = s.Capture(t.Context())
	wantHint(t, err, snapshot.ErrChanged, "")
	if entries, err := os.ReadDir(scratch); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
