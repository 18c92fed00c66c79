package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// server is a versitygw process that keeps objects as files below a folder.
type server struct {
	endpoint       string
	access, secret string
	objects        string // buckets are folders in it
	sidecar        string
	cmd            *exec.Cmd
}

// startServer starts the S3 server binary on a free loopback port. The caller
// stops it.
func startServer(ctx context.Context, binary, dir string) (*server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	s := &server{
		endpoint: "http://" + address, access: "bench", secret: rand.Text(),
		objects: filepath.Join(dir, "objects"), sidecar: filepath.Join(dir, "meta"),
	}
	if err := s.empty(); err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(ctx, binary, "--port", address, "--quiet", "--keep-alive", "posix", "--sidecar", s.sidecar, s.objects)
	s.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.access, "ROOT_SECRET_KEY="+s.secret)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return s, conn.Close()
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("start %s: %w", binary, err), s.stop())
		}
	}
}

// buckets lists all that the rows use; snapferry has its own like the others.
func buckets() []string { return []string{"snapferry", "awscli", "rclone", "restic"} }

// empty removes all objects and leaves empty buckets. The server may run: it
// keeps nothing in memory. But it stands in its folders, so those stay.
func (s *server) empty() error {
	for _, dir := range []string{s.objects, s.sidecar} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	for _, bucket := range buckets() {
		if err := os.Mkdir(filepath.Join(s.objects, bucket), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// stop kills the server and waits for it.
func (s *server) stop() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it was killed, which is its error
	return nil
}

// env is the environment in which programs use the server, without the user's
// own configuration of them.
func (s *server) env(home string) []string {
	clean := slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "AWS_") || strings.HasPrefix(pair, "RCLONE_") || strings.HasPrefix(pair, "RESTIC_")
	})
	return append(clean,
		"AWS_ACCESS_KEY_ID="+s.access, "AWS_SECRET_ACCESS_KEY="+s.secret,
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL="+s.endpoint,
		"AWS_CONFIG_FILE="+filepath.Join(home, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(home, "none"),
		"RCLONE_CONFIG="+filepath.Join(home, "none"), "RCLONE_CONFIG_R_TYPE=s3", "RCLONE_CONFIG_R_PROVIDER=Other",
		"RCLONE_CONFIG_R_ENV_AUTH=true", "RCLONE_CONFIG_R_ENDPOINT="+s.endpoint, "RCLONE_S3_NO_CHECK_BUCKET=true",
		"RESTIC_PASSWORD=bench", "RESTIC_CACHE_DIR="+filepath.Join(home, "restic-cache"),
	)
}
