package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
)

// terminal opens a pseudo terminal: what is written to its one end as to a
// screen is read from the other.
func terminal(t *testing.T) (screen, reader *os.File) {
	t.Helper()
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		testenv.Missing(t, "a pseudo terminal: "+err.Error())
	}
	t.Cleanup(func() { reader.Close() })
	fd := int(reader.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 200}); err != nil {
		t.Fatal(err)
	}
	if screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return screen, reader
}

// On a terminal there is a bar with rate and ETA, and log lines stay whole
// beside it.
func TestBar(t *testing.T) {
	source := filepath.Join(t.TempDir(), "noise")
	if err := job.WriteMix(t.Context(), source, "noise", 6<<20); err != nil {
		t.Fatal(err)
	}
	screen, reader := terminal(t)
	cmd := exec.Command(program(t), "backup", source, filepath.Join(t.TempDir(), "vault"), "--segment", "512KiB", "--chunk", "512KiB",
		"--bandwidth", "4MB", "-v")
	cmd.Env = append(environ(t, nil), "TERM=xterm")
	cmd.Stderr = screen
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(reader) // ends with EIO once nobody has the screen open
		text <- string(b)
	}()
	err := cmd.Run()
	screen.Close()
	shown := <-text
	if err != nil {
		t.Fatalf("%v: %q", err, shown)
	}
	for _, want := range []string{`ship .*\d+%`, `of 6\.0 MiB`, `MiB/s`, `ETA \d+s`} {
		if !regexp.MustCompile(want).MatchString(shown) {
			t.Errorf("the screen never shows %s", want)
		}
	}
	// What a screen would show of each log line: nothing before it but control
	// sequences, nothing behind it.
	lines := 0
	control := regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	for line := range strings.SplitSeq(shown, "\n") {
		line = strings.TrimSpace(control.ReplaceAllString(line, ""))
		if i := strings.LastIndexByte(line, '\r'); i >= 0 {
			line = line[i+1:]
		}
		if !strings.Contains(line, "level=INFO") {
			continue
		}
		lines++
		if !regexp.MustCompile(`^time=\S+ level=INFO msg=.*$`).MatchString(line) || strings.Contains(line, "%") {
			t.Errorf("a broken log line: %q", line)
		}
	}
	if lines < 2 {
		t.Errorf("%d log lines: %q", lines, shown)
	}
}
