package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// emulator is a server that stands for a cloud, and how a vault on it is
// written. What it costs is part of what is measured, so the rows say more
// about the servers than about the clouds; what they show is that no path of
// ours is slow.
type emulator struct {
	name    string
	program string // found in PATH, or the row is left out
	args    func(dir, host, port string) []string
	env     []string
	vault   func(endpoint string) string
	// prepare makes the bucket once the server answers.
	prepare func(ctx context.Context, endpoint string) error
}

func emulators() []emulator {
	return []emulator{
		{
			name: "fake-gcs-server", program: "fake-gcs-server",
			args: func(dir, host, port string) []string {
				return []string{"-scheme", "http", "-host", host, "-port", port, "-public-host", host + ":" + port,
					"-backend", "filesystem", "-filesystem-root", dir, "-log-level", "error"}
			},
			vault: func(endpoint string) string {
				return "gs://bench/v?anonymous=true&endpoint=" + url.QueryEscape(endpoint)
			},
			prepare: makeGCSBucket,
		},
		{
			name: "azurite", program: "azurite-blob",
			args: func(dir, host, port string) []string {
				return []string{"--silent", "--skipApiVersionCheck", "--location", dir, "--blobHost", host, "--blobPort", port}
			},
			env: []string{"AZURE_STORAGE_KEY=" + devKey},
			vault: func(endpoint string) string {
				return "azblob://bench/v?storage_account=" + devAccount + "&endpoint=" + url.QueryEscape(endpoint+"/"+devAccount)
			},
			prepare: makeAzureContainer,
		},
	}
}

// The account that every Azure emulator has; the key is published and no
// secret.
// https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
const (
	devAccount = "devstoreaccount1"
	devKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// cloudRow is what was measured of one store.
type cloudRow struct {
	name, vault, in, out string
	env                  []string
	up, down             []sample
}

// cloudsAll backs the mix up to the S3 server and to the emulators of the
// other clouds in turns, and compares them with our own path to S3.
func cloudsAll(ctx context.Context, b bench) (err error) {
	in, out := filepath.Join(b.dir, "mix.img"), filepath.Join(b.dir, "restored")
	if err := writeFile(in, "mix", 42, b.size); err != nil {
		return err
	}
	rows := []*cloudRow{{name: "versitygw", vault: "s3://snapferry/v?endpoint=" + url.QueryEscape(b.server.endpoint) + "&region=us-east-1", in: in, out: out}}
	for _, e := range emulators() {
		if _, err := exec.LookPath(e.program); err != nil {
			b.out.printf("left out, not found: %s (make tools)\n", e.program)
			continue
		}
		endpoint, stop, err := e.start(ctx, filepath.Join(b.dir, e.name))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		rows = append(rows, &cloudRow{name: e.name, vault: e.vault(endpoint), in: in, out: out, env: e.env})
	}
	for round := range b.rounds {
		for _, row := range rows {
			if err := row.once(ctx, b, round); err != nil {
				return err
			}
		}
		b.log.Info("round done", "round", round+1, "of", b.rounds)
	}
	printClouds(b.out, b, rows)
	return nil
}

func (r *cloudRow) backup(b bench, round int) string {
	return fmt.Sprintf("%s backup %s '%s' --job round-%d", b.snapferry, r.in, r.vault, round)
}

func (r *cloudRow) restore(b bench, round int) string {
	return fmt.Sprintf("%s restore '%s#round-%d/latest' %s", b.snapferry, r.vault, round, r.out)
}

func (r *cloudRow) once(ctx context.Context, b bench, round int) error {
	b.env = append(slices.Clone(b.env), r.env...)
	up, err := b.settled(ctx, r.backup(b, round))
	if err != nil {
		return err
	}
	down, err := b.settled(ctx, r.restore(b, round))
	if err != nil {
		return err
	}
	r.up, r.down = append(r.up, up), append(r.down, down)
	return os.Remove(r.out)
}

func printClouds(w *printer, b bench, rows []*cloudRow) {
	w.printf("%-16s %8s %8s %14s %14s   %s\n", "", "up s", "down s", "up of S3's", "down of S3's", "each up | each down")
	for _, r := range rows {
		w.printf("%-16s %8.2f %8.2f %14.2f %14.2f   %s | %s\n", r.name, medianWall(r.up).Seconds(), medianWall(r.down).Seconds(),
			ratioOf(medianWall(rows[0].up), medianWall(r.up)), ratioOf(medianWall(rows[0].down), medianWall(r.down)), eachWall(r.up), eachWall(r.down))
	}
	for _, r := range rows {
		w.printf("  $ %s\n  $ %s\n", r.backup(b, 0), r.restore(b, 0))
	}
}

// start starts the emulator on a free loopback port and makes its bucket.
func (e emulator) start(ctx context.Context, dir string) (endpoint string, stop func() error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := l.Addr().String()
	host, port, err := net.SplitHostPort(address)
	if err = errors.Join(err, l.Close(), os.Mkdir(dir, 0o755)); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, e.program, e.args(dir, host, port)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start %s: %w", e.program, err)
	}
	stop = func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, which is its error
		return err
	}
	endpoint = "http://" + address
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = e.prepare(ctx, endpoint); err == nil {
			return endpoint, stop, nil
		}
		if time.Now().After(deadline) {
			return "", nil, errors.Join(fmt.Errorf("start %s: %w", e.program, err), stop())
		}
	}
}

func makeGCSBucket(ctx context.Context, endpoint string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/storage/v1/b?project=bench", bytes.NewReader([]byte(`{"name":"bench"}`)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return made(r)
}

// makeAzureContainer signs the one request it needs with the shared key.
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
func makeAzureContainer(ctx context.Context, endpoint string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, endpoint+"/"+devAccount+"/bench?restype=container", http.NoBody)
	if err != nil {
		return err
	}
	const version = "2021-12-02"
	date := time.Now().UTC().Format(http.TimeFormat)
	r.Header.Set("X-Ms-Date", date)
	r.Header.Set("X-Ms-Version", version)
	key, err := base64.StdEncoding.DecodeString(devKey)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("PUT" + strings.Repeat("\n", 12) + "x-ms-date:" + date + "\nx-ms-version:" + version + "\n" + // never fails
		"/" + devAccount + "/" + devAccount + "/bench\nrestype:container"))
	r.Header.Set("Authorization", "SharedKey "+devAccount+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return made(r)
}

func made(r *http.Request) error {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_ = answer.Body.Close() // only its status counts
	if answer.StatusCode >= 300 {
		return fmt.Errorf("make bucket: %s", answer.Status)
	}
	return nil
}
