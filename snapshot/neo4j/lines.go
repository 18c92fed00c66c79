package neo4j

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

// lineLog passes on what neo4j-admin prints: percentages to the progress, the
// rest to the log. It keeps the first and the last lines, among which the
// reason of a failure is: usage texts come behind it, log lines before it.
type lineLog struct {
	log      *slog.Logger
	progress func(float64)

	percent *regexp.Regexp
	secret  *regexp.Regexp
	first   []string
	last    []string
}

func newLineLog(log *slog.Logger, progress func(float64)) *lineLog {
	return &lineLog{
		log: log, progress: progress,
		percent: regexp.MustCompile(`Files: \d+/\d+, data: +(\d+(?:[.,]\d+)?)%`),
		// A complaint about a setting can quote its value.
		secret: regexp.MustCompile(`(?i)((?:password|passwd|secret|token|credential|api[_-]?key)[\w.-]*['"]?\s*(?:[=:]|value)\s*['"]?)[^\s'",]+`),
	}
}

// read consumes r to its end. An error of the pipe ends it too: what counts is
// the exit status.
func (l *lineLog) read(r io.Reader) {
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

func (l *lineLog) line(line string) {
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
	l.keep(line)
	if strings.Contains(line, " ERROR ") || strings.Contains(line, " WARN ") || strings.HasPrefix(line, "WARNING") {
		l.log.Warn("neo4j-admin: " + line)
	} else {
		l.log.Info("neo4j-admin: " + line)
	}
}

func (l *lineLog) keep(line string) {
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
func (l *lineLog) text() string {
	return strings.Join(append(append([]string{}, l.first...), l.last...), "\n")
}
