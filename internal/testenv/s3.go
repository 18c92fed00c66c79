package testenv

import (
	"crypto/rand"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	s.Endpoint = "http://" + address
	return startServer(s.t, cmd, s.Endpoint)
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
