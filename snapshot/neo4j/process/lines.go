package process

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxLine   = 2048 // bytes kept of one line; the rest of it is dropped
	keptLines = 20   // first and last lines kept for an error message
)

// Lines passes on what Neo4j prints: percentages to the progress, the
// rest to the log. It keeps the first and the last lines, among which the
// reason of a failure is: usage texts come behind it, log lines before it.
type Lines struct {
	// OnLine, if set before the start, is told every line, by one goroutine.
	OnLine func(line string)

	name     string
	log      *slog.Logger
	progress func(float64)

	percent *regexp.Regexp
	secret  *regexp.Regexp
	first   []string
	last    []string
}

// NewLines returns the messages of one process. name is whose they are, in the
// log; progress may be nil.
func NewLines(name string, log *slog.Logger, progress func(float64)) *Lines {
	return &Lines{
		name: name, log: log, progress: progress,
		percent: regexp.MustCompile(`Files: \d+/\d+, data: +(\d+(?:[.,]\d+)?)%`),
		// A complaint about a setting can quote its value.
		secret: regexp.MustCompile(`(?i)((?:password|passwd|secret|token|credential|api[_-]?key)[\w.-]*['"]?\s*(?:[=:]|value)\s*['"]?)[^\s'",]+`),
	}
}

// read consumes r to its end. An error of the pipe ends it too: what counts is
// the exit status.
func (l *Lines) read(r io.Reader) {
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n')
		l.line(string(line))
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (l *Lines) line(line string) {
	line = strings.ToValidUTF8(strings.TrimSpace(line), "?")
	if line == "" || strings.Trim(line, "-") == "" || strings.HasPrefix(line, "NOTE: Picked up JDK_JAVA_OPTIONS") {
		return
	}
	if m := l.percent.FindStringSubmatch(line); m != nil {
		if percent, err := strconv.ParseFloat(strings.Replace(m[1], ",", ".", 1), 64); err == nil && l.progress != nil {
			l.progress(min(percent/100, 1))
		}
		return
	}
	line = l.secret.ReplaceAllString(line, "${1}***")
	if l.OnLine != nil {
		l.OnLine(line)
	}
	l.keep(line)
	if strings.Contains(line, " ERROR ") || strings.Contains(line, " WARN ") || strings.HasPrefix(line, "WARNING") {
		l.log.Warn(l.name + ": " + line)
	} else {
		l.log.Info(l.name + ": " + line)
	}
}

func (l *Lines) keep(line string) {
	if len(l.first) < keptLines {
		l.first = append(l.first, line)
		return
	}
	if len(l.last) == keptLines {
		l.last = append(l.last[:0], l.last[1:]...)
	}
	l.last = append(l.last, line)
}

// text returns the kept lines, to be called after read has returned.
func (l *Lines) text() string {
	return strings.Join(append(append([]string{}, l.first...), l.last...), "\n")
}
