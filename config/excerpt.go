package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/token"
)

// place is a position in the file: line and column from 1, in characters, and
// how many characters it is about.
type place struct {
	line, column, width int
}

// span is a part of the file that is not shown.
type span struct{ from, to place }

// excerpts shows lines of the file without what is private in them.
type excerpts struct {
	lines  []string
	hidden []span
	// shape hides all values: what is what is not known of a file that cannot
	// be parsed.
	shape bool
}

// hide keeps the characters from the token up to the next one from being
// shown.
func (e *excerpts) hide(t *token.Token) {
	if t == nil || t.Position == nil {
		return
	}
	end := place{line: len(e.lines) + 1}
	if t.Next != nil {
		end = placeOf(t.Next)
	}
	e.hidden = append(e.hidden, span{placeOf(t), end})
}

func placeOf(t *token.Token) place {
	return place{line: t.Position.Line, column: max(t.Position.Column, 1), width: max(len([]rune(t.Value)), 1)}
}

// The most characters of a line that are shown, and how many of them stand
// before the place.
const (
	maxLine   = 110
	maxBefore = 60
)

// show returns the line of the place, and below it a pointer to it.
func (e *excerpts) show(at place) string {
	if at.line < 1 || at.line > len(e.lines) || len(e.lines[at.line-1]) > maxLineBytes {
		return ""
	}
	line := e.masked(at)
	column := min(max(at.column-1, 0), len(line))
	if cut := column - maxBefore; cut > 0 {
		line, column = append([]rune("…"), line[cut:]...), column-cut+1
	}
	if len(line) > maxLine {
		line = append(line[:maxLine:maxLine], '…')
	}
	pad := make([]rune, column)
	for i := range pad {
		pad[i] = ' '
		if line[i] == '\t' {
			pad[i] = '\t'
		}
	}
	width := min(max(at.width, 1), max(len(line)-column, 1))
	number := fmt.Sprintf("%6d", at.line)
	return fmt.Sprintf("%s | %s\n%*s | %s%s\n", number, strings.TrimRight(string(line), " "), len(number), "", string(pad), strings.Repeat("^", width))
}

// firstKey is how a line begins that names a key. What begins an item of a list
// may as well be a secret that has a colon behind it.
var firstKey = regexp.MustCompile(`^\s*[A-Za-z_][\w.-]{0,40}\s*:`)

// masked returns the line of the place. What is not shown is as wide as it is
// in the file, so that the pointer is right.
func (e *excerpts) masked(at place) []rune {
	text := e.lines[at.line-1]
	line := []rune(strings.ToValidUTF8(strings.TrimRight(text, "\r"), "?"))
	hide := func(from, to int) {
		for i := max(from, 0); i < min(to, len(line)); i++ {
			if unicode.IsLetter(line[i]) || unicode.IsNumber(line[i]) {
				line[i] = 'x'
			}
		}
	}
	for _, m := range secretPattern.FindAllStringIndex(string(line), -1) {
		hide(len([]rune(string(line)[:m[0]])), len([]rune(string(line)[:m[1]])))
	}
	if e.shape {
		hide(len([]rune(firstKey.FindString(string(line)))), len(line))
	}
	for _, s := range e.hidden {
		from, to := 0, len(line)
		switch {
		case s.to.line < at.line || s.from.line > at.line:
			continue
		case s.from.line == at.line:
			from = s.from.column - 1
		}
		if s.to.line == at.line {
			to = s.to.column - 1
		}
		hide(from, to)
	}
	for i, r := range line {
		if r != '\t' && !unicode.IsPrint(r) {
			line[i] = '.'
		}
	}
	return line
}

// sorted returns what was found in the order of the file, with excerpts, and
// without what was found twice.
func (e *excerpts) sorted(all []found) []Problem {
	list := make([]Problem, len(all))
	for i, f := range all {
		f.Excerpt = e.show(f.at)
		list[i] = f.Problem
	}
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(list, func(a, b Problem) bool { return a.Line == b.Line && a.Column == b.Column && a.Text == b.Text })
}
