package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/snapferry/snapferry/snapshot/neo4j/bolt"
)

// What the downtime of a dump, and the time of a restore, may be of those by
// hand.
const (
	downtimeLimit = 1.1
	restoreLimit  = 1.0
)

// benchNeo4j is the version that is measured, and benchNodes how many nodes it
// has, with two random texts each.
const (
	benchNeo4j = "5.26.31"
	benchNodes = 4_000_000 // more than 1 GB
)

// neo4jServer is a Neo4j of its own, which runs.
type neo4jServer struct {
	bench
	home    string
	address bolt.Address
}

// neo4jAll compares the downtime of a Community server, and the restore of its
// database, with doing both by hand.
func neo4jAll(ctx context.Context, b bench) (err error) {
	n := &neo4jServer{bench: b, home: filepath.Join(b.dir, "neo4j")}
	if err := n.make(ctx); err != nil {
		return err
	}
	defer func() {
		_, stopErr := n.bench.run(context.WithoutCancel(ctx), filepath.Join(n.home, "bin", "neo4j")+" stop")
		err = errors.Join(err, stopErr)
	}()
	if err := n.fill(ctx); err != nil {
		return err
	}
	size, err := n.size()
	if err != nil {
		return err
	}
	n.out.printf("a store of %d MiB\n", size>>20)
	var hand, ours []time.Duration
	for range b.rounds {
		byHand, err := n.dumpByHand(ctx)
		if err != nil {
			return err
		}
		down, err := n.backup(ctx)
		if err != nil {
			return err
		}
		hand, ours = append(hand, byHand), append(ours, down)
	}
	n.compare("downtime of a dump, of stop, dump and start by hand", middle(ours), middle(hand), downtimeLimit)
	return n.restores(ctx)
}

// restores compares restores, as they end and until the disk has what they wrote:
// by hand nobody waits for that. Each is measured after one of the same kind: who
// comes after the other finds less memory that the machine has at hand.
func (n *neo4jServer) restores(ctx context.Context) error {
	var hand, ours, handDurable, oursDurable []time.Duration
	for range n.rounds {
		took, durable, err := twice(ctx, n.restoreByHand)
		if err != nil {
			return err
		}
		hand, handDurable = append(hand, took), append(handDurable, durable)
		if took, durable, err = twice(ctx, n.restore); err != nil {
			return err
		}
		ours, oursDurable = append(ours, took), append(oursDurable, durable)
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	n.compare("restore, of aws s3 cp and load by hand", middle(ours), middle(hand), restoreLimit)
	n.compare("the same, until it is on the disk", middle(oursDurable), middle(handDurable), restoreLimit)
	return nil
}

// twice does it twice, and returns how long the second time took.
func twice(ctx context.Context, do func(context.Context) (took, durable time.Duration, err error)) (took, durable time.Duration, err error) {
	if _, _, err := do(ctx); err != nil {
		return 0, 0, err
	}
	return do(ctx)
}

// size is that of the store, without its transaction logs.
func (n *neo4jServer) size() (total int64, err error) {
	err = filepath.WalkDir(filepath.Join(n.home, "data", "databases", "neo4j"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// compare prints a ratio, and whether it is what is asked for.
func (n *neo4jServer) compare(what string, ours, hand time.Duration, limit float64) {
	ratio := ours.Seconds() / hand.Seconds()
	result := "ok"
	if ratio > limit {
		result = "MISSED"
	}
	n.out.printf("%-54s %6.2f ×  (%.1f s, %.1f s)  at most %.2f: %s\n", what, ratio, ours.Seconds(), hand.Seconds(), limit, result)
}

func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// make assembles and starts the server.
func (n *neo4jServer) make(ctx context.Context) error {
	source, err := os.Getwd()
	if err != nil {
		return err
	}
	ports := make([]string, 2)
	for i := range ports {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		ports[i] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		if err := l.Close(); err != nil {
			return err
		}
	}
	n.address.At = "127.0.0.1:" + ports[0]
	// What makes Java fast for the moments of a test is not what an installation has.
	line := fmt.Sprintf("NEO4J_BOLT_PORT=%s NEO4J_HTTP_PORT=%s NEO4J_HEAP=1g NEO4J_PAGECACHE=512m %s/scripts/neo4j-home.sh %s %[5]s && "+
		"sed -i -e /TieredStopAtLevel/d -e /UseSerialGC/d %[5]s/conf/neo4j.conf", ports[0], ports[1], source, benchNeo4j, n.home)
	if _, err := n.run(ctx, line); err != nil {
		return err
	}
	for _, folder := range []string{"scratch", "dumps"} {
		if err := os.Mkdir(filepath.Join(n.dir, folder), 0o755); err != nil {
			return err
		}
	}
	return n.start(ctx)
}

// start starts the server, which would hold on to what it is given to print to,
// and waits until its database answers.
func (n *neo4jServer) start(ctx context.Context) error {
	if _, err := n.run(ctx, filepath.Join(n.home, "bin", "neo4j")+" start >/dev/null 2>&1"); err != nil {
		return err
	}
	return n.serves(ctx)
}

// serves waits until the database answers.
func (n *neo4jServer) serves(ctx context.Context) error {
	server, err := bolt.Open(n.address)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close(context.WithoutCancel(ctx)) }() // nothing hangs on it
	for {
		_, err := server.Read(ctx, "neo4j", "RETURN 1", nil)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// fill makes nodes, by thousands.
func (n *neo4jServer) fill(ctx context.Context) error {
	server, err := bolt.Open(n.address)
	if err != nil {
		return err
	}
	_, err = server.Execute(ctx, "neo4j", `UNWIND range(1, $n) AS i CALL (i) {
  CREATE (:Person {id: i, a: toString(rand()) + toString(rand()), b: toString(rand()) + toString(rand()) + toString(rand())})
} IN TRANSACTIONS OF 20000 ROWS`, map[string]any{"n": benchNodes})
	return errors.Join(err, server.Close(ctx))
}

// dumpByHand is the downtime of who types three commands without a pause.
func (n *neo4jServer) dumpByHand(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	line := fmt.Sprintf("%[1]s/bin/neo4j stop && %[1]s/bin/neo4j-admin database dump neo4j --to-path=%[2]s/dumps --overwrite-destination=true", n.home, n.dir)
	if _, err := n.run(ctx, line); err != nil {
		return 0, err
	}
	err := n.start(ctx)
	return time.Since(began), err
}

func (n *neo4jServer) vault() string {
	return fmt.Sprintf("'s3://snapferry/neo4j?endpoint=%s&region=us-east-1'", n.server.endpoint)
}

// backup returns the downtime of a backup over a slow line.
func (n *neo4jServer) backup(ctx context.Context) (time.Duration, error) {
	out := filepath.Join(n.dir, "report.json")
	line := fmt.Sprintf("%s backup 'neo4j+dump:///neo4j?home=%s&stop=yes&scratch=%s/scratch' %s --bandwidth 5MB --json >%s",
		n.snapferry, n.home, n.dir, n.vault(), out)
	if _, err := n.run(ctx, line); err != nil {
		return 0, err
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		return 0, err
	}
	var report struct {
		Facts map[string]string `json:"facts"`
	}
	if err := json.Unmarshal(raw, &report); err != nil {
		return 0, err
	}
	return time.ParseDuration(report.Facts["downtime"])
}

// settle lets the disk have what was written before: who comes second would wait
// for what the first has left.
func (n *neo4jServer) settle(ctx context.Context) error {
	_, err := n.run(ctx, "sync")
	return err
}

// restoreByHand is fetching the dump that the last round by hand has left, and
// loading it into a stopped server.
func (n *neo4jServer) restoreByHand(ctx context.Context) (took, durable time.Duration, err error) {
	const bucket = "s3://awscli/neo4j.dump"
	begin := fmt.Sprintf("aws s3 cp --only-show-errors %s/dumps/neo4j.dump %s && { %s/bin/neo4j stop || true; }", n.dir, bucket, n.home)
	if _, err := n.run(ctx, begin); err != nil {
		return 0, 0, err
	}
	if err := n.settle(ctx); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	line := fmt.Sprintf("aws s3 cp --only-show-errors %[3]s %[2]s/dumps/neo4j.dump && "+
		"%[1]s/bin/neo4j-admin database load neo4j --from-path=%[2]s/dumps --overwrite-destination=true", n.home, n.dir, bucket)
	if _, err := n.run(ctx, line); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	err = n.settle(ctx)
	return took, time.Since(began), err
}

// restore does the same with snapferry.
func (n *neo4jServer) restore(ctx context.Context) (took, durable time.Duration, err error) {
	if err := n.settle(ctx); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	line := fmt.Sprintf("%s restore %s#neo4j/latest 'neo4j+load:///neo4j?home=%s&check=no' --overwrite --drop-old", n.snapferry, n.vault(), n.home)
	if _, err := n.run(ctx, line); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	if err := n.settle(ctx); err != nil {
		return 0, 0, err
	}
	return took, time.Since(began), nil
}
