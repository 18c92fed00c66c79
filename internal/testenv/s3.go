package testenv

import (
	"crypto/rand"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3Server is a process that speaks S3, with storage of its own.
type S3Server struct {
	Endpoint  string // http://127.0.0.1:PORT
	AccessKey string
	SecretKey string
	// Dir is where versitygw keeps buckets as folders and objects as files;
	// empty for other servers.
	Dir string

	t      testing.TB
	client *s3.Client
}

// S3 starts versitygw on a free loopback port. It answers when S3 returns and
// is killed at the end of the test. Any number can run at once.
func S3(t testing.TB) *S3Server {
	t.Helper()
	// The gateway refuses storage folders that nest or share a name prefix.
	base := t.TempDir()
	s := newS3Server(t)
	s.Dir = filepath.Join(base, "objects")
	sidecar, versions := filepath.Join(base, "meta"), filepath.Join(base, "versions")
	for _, dir := range []string{s.Dir, sidecar, versions} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s.start("versitygw", []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey}, func(host, port string) []string {
		return []string{"--port", net.JoinHostPort(host, port), "--quiet", "--keep-alive", "posix", "--sidecar", sidecar, "--versioning-dir", versions, s.Dir}
	})
}

// MinIO starts a MinIO server, as S3 starts versitygw.
func MinIO(t testing.TB) *S3Server {
	t.Helper()
	s, dir := newS3Server(t), t.TempDir()
	env := []string{"MINIO_ROOT_USER=" + s.AccessKey, "MINIO_ROOT_PASSWORD=" + s.SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_CI_CD=on", "HOME=" + t.TempDir()} // CI_CD: it may share the disk of the system
	return s.start("minio", env, func(host, port string) []string {
		return []string{"server", "--address", net.JoinHostPort(host, port), "--quiet", dir}
	})
}

// Moto starts moto, a simulation of AWS in memory, as S3 starts versitygw. It
// takes every credential.
func Moto(t testing.TB) *S3Server {
	t.Helper()
	return newS3Server(t).start("moto_server", nil, func(host, port string) []string { return []string{"-H", host, "-p", port} })
}

func newS3Server(t testing.TB) *S3Server {
	return &S3Server{AccessKey: "test" + rand.Text()[:12], SecretKey: rand.Text() + rand.Text()[:14], t: t}
}

func (s *S3Server) start(tool string, env []string, args func(host, port string) []string) *S3Server {
	s.t.Helper()
	s.Endpoint = startServer(s.t, Tool(s.t, tool), env, args)
	s.client = s3.New(s3.Options{
		BaseEndpoint: &s.Endpoint, UsePathStyle: true, Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
		// What a store lacks is not asked of it.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
	return s
}

// BucketKind is what a bucket keeps.
type BucketKind int

// The kinds of buckets.
const (
	PlainBucket     BucketKind = iota
	VersionedBucket            // what is overwritten or deleted stays as a version
	LockedBucket               // versioned, and versions can be locked
)

// MakeBucket creates a plain bucket of at least three characters.
func (s *S3Server) MakeBucket(name string) {
	s.t.Helper()
	if s.Dir != "" {
		// A folder is a bucket; without attributes it is everybody's who has a key.
		if err := os.Mkdir(filepath.Join(s.Dir, name), 0o755); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.MakeBucketOf(name, PlainBucket)
}

// MakeBucketOf creates a bucket of the kind.
func (s *S3Server) MakeBucketOf(name string, kind BucketKind) {
	s.t.Helper()
	_, err := s.client.CreateBucket(s.t.Context(), &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(kind == LockedBucket)})
	if err != nil {
		s.t.Fatalf("make bucket: %v", err)
	}
	if kind != VersionedBucket {
		return
	}
	_, err = s.client.PutBucketVersioning(s.t.Context(), &s3.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if err != nil {
		s.t.Fatalf("switch versioning on: %v", err)
	}
}

// RemoveBucket removes a bucket that is empty.
func (s *S3Server) RemoveBucket(name string) {
	s.t.Helper()
	if _, err := s.client.DeleteBucket(s.t.Context(), &s3.DeleteBucketInput{Bucket: &name}); err != nil {
		s.t.Fatalf("remove bucket: %v", err)
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
	none := filepath.Join(s.t.TempDir(), "no-such-file")
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_SESSION_TOKEN=",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none, "AWS_PROFILE=",
		"AWS_ENDPOINT_URL=" + s.Endpoint, "AWS_ENDPOINT_URL_S3=" + s.Endpoint,
	}
}

// Setenv sets Env in the process of the test.
func (s *S3Server) Setenv(t testing.TB) {
	t.Helper()
	for _, pair := range s.Env() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
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
