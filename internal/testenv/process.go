package testenv

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	startTimeout = 60 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// startServer starts an HTTP server on a free loopback port and returns its
// URL once it answers. It is killed at the end of the test.
func startServer(t testing.TB, tool string, env []string, args func(host, port string) []string) string {
	t.Helper()
	// Between finding a free port and its use somebody may take it.
	for range 5 {
		if url, ok := tryServer(t, tool, env, args); ok {
			return url
		}
	}
	t.Fatalf("%s did not start; see the log above", filepath.Base(tool))
	return ""
}

func tryServer(t testing.TB, tool string, env []string, args func(host, port string) []string) (string, bool) {
	t.Helper()
	address := freeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, args(host, port)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = t.TempDir() // for what it leaves
	out, err := os.CreateTemp(t.TempDir(), filepath.Base(tool))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // killed, or its output tells why it ended
	}()
	stop := sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // an error means that it has ended
		<-done
		_ = out.Close() // a log
	})
	t.Cleanup(stop)
	url := "http://" + address
	if answers(url, done) {
		return url, true
	}
	stop()
	b, _ := os.ReadFile(out.Name())
	t.Logf("%s on %s:\n%s", filepath.Base(tool), address, b)
	return "", false
}

// answers polls until a server answers a request or ends.
func answers(url string, done <-chan struct{}) bool {
	client := http.Client{Timeout: time.Second}
	deadline := time.After(startTimeout)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if r, err := client.Get(url + "/"); err == nil {
			_ = r.Body.Close() // only its coming counts
			if r.StatusCode < http.StatusInternalServerError {
				select {
				case <-done:
					return false // another process answered on the port
				default:
					return true
				}
			}
		}
		select {
		case <-done:
			return false
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
}
