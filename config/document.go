package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a configuration may hold. A thousand jobs have some 100 KiB and 20,000
// nodes.
const (
	// MaxFile is the most bytes a file may have.
	MaxFile = 1 << 20
	// maxLines and maxLineBytes are how many lines there may be, and how many
	// bytes one may have: the time of parsing grows faster than either.
	maxLines     = 20_000
	maxLineBytes = 16 << 10
	// maxNodes bounds what aliases expand to: each of them counts as much as
	// what it repeats.
	maxNodes = 100_000
	// maxDepth is how deep mappings and lists may be within each other.
	maxDepth = 32
)

// reader reads one file and gathers what is wrong with it.
type reader struct {
	options  Options
	excerpts excerpts
	path     []string
	problems []found
	omitted  int
	secrets  bool // one was found in plain text
	anchors  map[string]*node
	hidden   map[*node]bool
	nodes    int // made so far
	spent    int // bytes from the environment
	steps    int // values looked at
}

// found is a problem whose excerpt is made when all that is private is known.
type found struct {
	Problem
	at place
}

// maxProblems is how many problems are told. Who has more has another one.
const maxProblems = 100

// problem notes what is wrong.
func (r *reader) problem(at place, text, hint string) {
	if len(r.problems) >= maxProblems {
		r.omitted++
		return
	}
	// Keys, and names of the user's own, may be secrets like all else.
	path := secretPattern.ReplaceAllString(strings.Join(r.path, "."), masked)
	text, hint = secretPattern.ReplaceAllString(text, masked), secretPattern.ReplaceAllString(hint, masked)
	r.problems = append(r.problems, found{Problem{Line: at.line, Column: at.column, Path: path, Text: text, Hint: hint}, at})
}

// document parses the file. It returns nil if that cannot be done, and has
// noted why.
func (r *reader) document(data []byte) *node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > MaxFile {
		r.problem(place{}, fmt.Sprintf("the file has more than %d KiB", MaxFile>>10), "check that it is the right file")
		return nil
	}
	text := string(data)
	r.excerpts.lines = strings.Split(text, "\n")
	r.excerpts.shape = true
	if !r.plain(text) {
		return nil
	}
	r.refuseSecrets()
	tokens := lexer.Tokenize(text)
	if !r.shallow(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntaxError(err)
		return nil
	}
	body := r.body(file)
	if body == nil {
		return nil
	}
	r.excerpts.shape = false
	for _, t := range tokens {
		if t.Type == token.CommentType {
			r.excerpts.hide(t)
		}
	}
	return r.node(body, 0)
}

// plain refuses what is not text.
func (r *reader) plain(text string) bool {
	if len(r.excerpts.lines) > maxLines {
		r.problem(place{}, fmt.Sprintf("the file has more than %d lines", maxLines), "check that it is the right file")
		return false
	}
	for i, line := range r.excerpts.lines {
		if len(line) > maxLineBytes {
			r.problem(place{i + 1, 1, 1}, fmt.Sprintf("the line has more than %d KiB", maxLineBytes>>10), "break it up")
			return false
		}
		line = strings.TrimSuffix(line, "\r")
		column := 0
		for rest := line; rest != ""; {
			c, width := utf8.DecodeRuneInString(rest)
			column++
			switch {
			case c == utf8.RuneError && width == 1:
				r.problem(place{i + 1, column, 1}, "the file is not UTF-8 here", "save it as UTF-8")
				return false
			case c < ' ' && c != '\t' || c == 0x7f:
				r.problem(place{i + 1, column, 1}, "the file has a control character here", "remove it; is it a text file?")
				return false
			}
			rest = rest[width:]
		}
	}
	return text != "" || r.empty()
}

func (r *reader) empty() bool {
	r.problem(place{}, "the file is empty", "docs/config.md has an example; snapferry config schema prints what an editor needs")
	return false
}

// refuseSecrets looks for what is a secret by its looks, comments and all.
func (r *reader) refuseSecrets() {
	for i, line := range r.excerpts.lines {
		m := secretPattern.FindStringIndex(line)
		if m == nil {
			if !HoldsSecret(line) {
				continue
			}
			m = []int{0, len(line)}
		}
		r.plainSecret(place{i + 1, len([]rune(line[:m[0]])) + 1, len([]rune(line[m[0]:m[1]]))})
	}
}

func (r *reader) plainSecret(at place) {
	r.secrets = true
	r.problem(at, "a secret stands here in plain text", secretHint+"; this one is known to whoever could read the file: replace it")
}

// shallow refuses what is nested so deep that parsing it would cost much.
func (r *reader) shallow(tokens token.Tokens) bool {
	depth, entries, line := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Line != line {
				entries, line = 0, t.Position.Line
			}
			entries++
		}
		if depth > maxDepth || entries > maxDepth {
			r.tooDeep(placeOf(t))
			return false
		}
	}
	return true
}

func (r *reader) tooDeep(at place) {
	r.problem(at, fmt.Sprintf("mappings and lists are more than %d deep here", maxDepth), "nothing in a configuration is that deep")
}

// syntaxError notes what the parser says. Its texts may repeat a value.
func (r *reader) syntaxError(err error) {
	e, ok := errors.AsType[yaml.Error](err)
	if !ok || e.GetToken() == nil {
		r.problem(place{}, "the file is not YAML", "check quotation marks and indentation")
		return
	}
	at := placeOf(e.GetToken())
	at.width = 1
	text := e.GetMessage()
	hint := "check quotation marks and indentation here and in the line above"
	switch {
	case strings.Contains(text, "\t"):
		text, hint = "there is a tab where YAML wants spaces", "indent with spaces"
	case strings.Contains(text, "unexpected scalar value type") || strings.Contains(text, "reserved character"):
		hint = "put the value in quotation marks, such as \"0 3 * * *\""
	case strings.ContainsAny(text, `"'`) && !strings.Contains(text, "','") && !strings.Contains(text, "'}'") && !strings.Contains(text, "']'"):
		text = "this is not YAML" // it may quote what stands there
	}
	r.problem(at, text, hint)
}

// body returns the only document of the file.
func (r *reader) body(file *ast.File) ast.Node {
	var body ast.Node
	for _, d := range file.Docs {
		switch d.Body.(type) {
		case nil, *ast.CommentGroupNode:
			continue
		case *ast.DirectiveNode:
			r.problem(placeOf(d.Body.GetToken()), "a directive stands here", "remove the line")
			return nil
		}
		if body != nil {
			at := d.Body.GetToken()
			if d.Start != nil {
				at = d.Start
			}
			r.problem(placeOf(at), "a second document begins here", "put everything into one, and remove the line ---")
			return nil
		}
		body = d.Body
	}
	if body == nil {
		r.empty()
	}
	return body
}
