package testenv

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// S3Server is a versitygw process with a folder of its own as its storage.
type S3Server struct {
	Endpoint  string // http://127.0.0.1:PORT
	AccessKey string
	SecretKey string
	Dir       string // buckets are folders in it, objects are files

	t testing.TB
}

// S3 starts an S3 server on a free loopback port. It answers when S3 returns
// and is killed at the end of the test. Any number can run at once.
func S3(t testing.TB) *S3Server {
	t.Helper()
	tool := Tool(t, "versitygw")
	// The gateway refuses storage folders that nest or share a name prefix.
	base := t.TempDir()
	s := &S3Server{AccessKey: "test" + rand.Text()[:12], SecretKey: rand.Text() + rand.Text(),
		Dir: filepath.Join(base, "objects"), t: t}
	sidecar := filepath.Join(base, "meta")
	for _, dir := range []string{s.Dir, sidecar} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Between finding a free port and its use somebody may take it.
	for range 5 {
		if s.start(tool, sidecar) {
			return s
		}
	}
	t.Fatal("versitygw did not start; see the log above")
	return nil
}

func (s *S3Server) start(tool, sidecar string) bool {
	s.t.Helper()
	address := freeAddress(s.t)
	cmd := exec.Command(tool, "--port", address, "--quiet", "--keep-alive", "posix", "--sidecar", sidecar, s.Dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	out, err := os.CreateTemp(s.t.TempDir(), "versitygw")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
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
	s.t.Cleanup(stop)
	s.Endpoint = "http://" + address
	if s.answers(done) {
		return true
	}
	stop()
	b, _ := os.ReadFile(out.Name())
	s.t.Logf("versitygw on %s:\n%s", address, b)
	return false
}

// answers polls until the server answers a request or ends.
func (s *S3Server) answers(done <-chan struct{}) bool {
	client := http.Client{Timeout: time.Second}
	deadline := time.After(startTimeout)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if r, err := client.Get(s.Endpoint + "/"); err == nil {
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

// MakeBucket creates a bucket of at least three characters.
func (s *S3Server) MakeBucket(name string) {
	s.t.Helper()
	if err := os.Mkdir(filepath.Join(s.Dir, name), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// URL returns the vault URL of a prefix, which may be empty, in a bucket.
func (s *S3Server) URL(bucket, prefix string) string {
	u := url.URL{Scheme: "s3", Host: bucket, Path: "/" + prefix,
		RawQuery: url.Values{"endpoint": {s.Endpoint}, "region": {"us-east-1"}}.Encode()}
	return u.String()
}

// Env returns the AWS_* variables with which programs use the server, and
// which keep them from the configuration of the user who runs the test.
func (s *S3Server) Env() []string {
	none := filepath.Join(s.Dir, "..", "no-such-file")
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_SESSION_TOKEN=",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none, "AWS_PROFILE=",
		"AWS_ENDPOINT_URL=" + s.Endpoint, "AWS_ENDPOINT_URL_S3=" + s.Endpoint,
	}
}

// Setenv sets Env in the process of the test.
func (s *S3Server) Setenv(t *testing.T) {
	t.Helper()
	for _, pair := range s.Env() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}
