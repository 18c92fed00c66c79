package testenv

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// startServer starts a server that is to answer HTTP requests at endpoint, and
// waits until it does. It is killed at the end of the test. False means that
// it ended, or that another answers in its place; the log tells.
func startServer(t testing.TB, cmd *exec.Cmd, endpoint string) bool {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "log")
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
	if answers(endpoint, done) {
		return true
	}
	stop()
	b, _ := os.ReadFile(out.Name())
	t.Logf("%s at %s:\n%s", filepath.Base(cmd.Path), endpoint, b)
	return false
}

// answers polls until the server answers a request or ends.
func answers(endpoint string, done <-chan struct{}) bool {
	client := http.Client{Timeout: time.Second}
	deadline := time.After(startTimeout)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if r, err := client.Get(endpoint + "/"); err == nil {
			_ = r.Body.Close() // only its coming counts
			select {
			case <-done:
				return false // another process answered on the port
			default:
				return true
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

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // the address is all that is wanted
	return "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
