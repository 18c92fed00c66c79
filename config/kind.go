package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shape describes what a value may be. Documentation, the JSON Schema and what
// is printed follow from it, as reading does.
type shape struct {
	name   string   // for people: "size"
	schema schema   // of a scalar
	fields []member // of a mapping with known keys
	items  *shape   // of a list
	values *shape   // of a mapping with keys of the user's own
	keys   *shape   // of those keys
	secret bool     // may hold a secret by mistake: never shown if it is wrong
	url    bool     // is shown without what may be a credential in it
}

// member is a key of a mapping, and what stands there.
type member struct {
	shape
	key      string
	doc      string
	example  string // as YAML
	fallback string // the value where there is none; empty: none, or doc tells
	required bool
	setting  bool // is a flag, and may stand among the defaults
}

// kind reads values of one shape. read returns false if the value cannot be
// used, and has noted why.
type kind[V any] struct {
	shape
	read func(r *reader, n *node) (V, bool)
}

// field is a member, and how it is read into what has it.
type field[T any] struct {
	member
	read func(r *reader, n *node, into *T)
}

func bind[T, V any](key string, k kind[V], at func(*T) *V) field[T] {
	return field[T]{member: member{key: key, shape: k.shape}, read: func(r *reader, n *node, into *T) {
		if v, ok := k.read(r, n); ok {
			*at(into) = v
		}
	}}
}

// describe adds what people are told.
func (f field[T]) describe(doc, example string) field[T] {
	f.doc, f.example = doc, example
	return f
}

func (f field[T]) must() field[T] {
	f.required = true
	return f
}

func (f field[T]) otherwise(fallback string) field[T] {
	f.fallback = fallback
	return f
}

// scalar is a kind whose values are written as text, or as one of the forms
// if any are given. What comes from the environment is text whatever it
// stands for.
func scalar[V any](s shape, parse func(text string) (V, error), forms ...form) kind[V] {
	return kind[V]{shape: s, read: func(r *reader, n *node) (V, bool) {
		r.steps++
		var zero V
		wanted := slices.Contains(forms, n.form) || n.form == isText && (len(forms) == 0 || n.expanded)
		if !wanted {
			r.mismatch(n, s)
			return zero, false
		}
		v, err := parse(n.text)
		if err != nil {
			r.unusable(n, s, err)
			return zero, false
		}
		return v, true
	}}
}

// mismatch notes that a node has not the form that is wanted.
func (r *reader) mismatch(n *node, s shape) {
	if n.broken {
		return
	}
	if s.holdsSecret() {
		r.hide(n)
	}
	hint := "write " + s.name
	switch {
	case n.form == isNull:
		hint += ", or remove the key"
	case s.schema["type"] == "string" && s.schema["pattern"] == nil && s.schema["enum"] == nil && (n.form == isNumber || n.form == isFloat || n.form == isBool):
		hint = "put it in quotation marks"
	}
	r.problem(n.at, fmt.Sprintf("here stands %s, not %s", n.form, s.name), hint)
}

// unusable notes why a scalar cannot be used.
func (r *reader) unusable(n *node, s shape, err error) {
	hint := "write " + s.name
	if h, ok := err.(interface{ UserHint() string }); ok {
		hint = h.UserHint()
	}
	if s.secret {
		r.hide(n)
		r.problem(n.at, reason(err), hint)
		return
	}
	r.problem(n.at, quote(n)+" "+reason(err), hint)
}

// holdsSecret reports whether a secret may be written somewhere in s.
func (s shape) holdsSecret() bool {
	if s.secret || s.items != nil && s.items.holdsSecret() || s.values != nil && s.values.holdsSecret() {
		return true
	}
	for _, m := range s.fields {
		if m.holdsSecret() {
			return true
		}
	}
	return false
}

// maxQuoted is how many characters of a value a message repeats.
const maxQuoted = 60

// quote repeats a value that is not secret. One from the environment is shown
// as the file has it.
func quote(n *node) string {
	text := n.text
	if n.expanded {
		text = n.raw
	}
	return clipped(text)
}

func clipped(text string) string {
	text = Mask(text)
	if runes := []rune(text); len(runes) > maxQuoted {
		text = string(runes[:maxQuoted]) + "…"
	}
	return strconv.Quote(text)
}

// wrong is why a value cannot be used, with a hint.
type wrong struct{ text, hint string }

func (w wrong) Error() string    { return w.text }
func (w wrong) UserHint() string { return w.hint }

// reason is the text of err without what only says that it is about secrets.
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), "parse secret: "+ErrInvalid.Error()+": ")
}

// The kinds of scalars.

func text(name string) kind[string] {
	return checked(name, nil, func(string) error { return nil })
}

// checked is text that check lets pass; the pattern says to an editor what can
// be said in one.
func checked(name string, pattern *regexp.Regexp, check func(string) error) kind[string] {
	s := shape{name: name, schema: schema{"type": "string", "minLength": 1}}
	if pattern != nil {
		s.schema["pattern"] = pattern.String()
	}
	return scalar(s, func(t string) (string, error) {
		if t == "" {
			return "", wrong{"is empty", "write " + name + ", or remove the key"}
		}
		return t, check(t)
	})
}

// publicKey is text of the pattern. What is wrong is not shown: it may be the
// private key.
func publicKey(name string, pattern *regexp.Regexp, hint string) kind[string] {
	s := shape{name: name, secret: true, schema: schema{"type": "string", "pattern": pattern.String()}}
	return scalar(s, func(t string) (string, error) {
		if !pattern.MatchString(t) {
			return "", wrong{"this is not " + name, hint}
		}
		return t, nil
	})
}

func choice(name string, names ...string) kind[string] {
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = n
	}
	return scalar(shape{name: name, schema: schema{"type": "string", "enum": list}}, func(t string) (string, error) {
		for _, n := range names {
			if n == t {
				return t, nil
			}
		}
		return "", wrong{"is not known", suggest(t, names)}
	})
}

func integer(name string, low, high int) kind[int] {
	s := shape{name: name, schema: schema{"type": "integer", "minimum": low, "maximum": high}}
	return scalar(s, func(t string) (int, error) {
		n, err := strconv.Atoi(t)
		if err == nil && n != low && low == high {
			return 0, wrong{fmt.Sprintf("is not %d, which is all that this version of snapferry knows", low), "write " + name}
		}
		if err != nil || n < low || n > high {
			return 0, wrong{fmt.Sprintf("is not a number from %d to %d", low, high), "write " + name}
		}
		return n, nil
	}, isNumber)
}

func boolean() kind[bool] {
	return scalar(shape{name: "true or false", schema: schema{"type": "boolean"}}, func(t string) (bool, error) {
		if t != "true" && t != "false" {
			return false, wrong{"is neither true nor false", "write true or false"}
		}
		return t == "true", nil
	}, isBool)
}

var (
	sizePattern = regexp.MustCompile(`^[0-9]+(\.[0-9]+)? ?([KkMmGgTt][Ii]?)?[Bb]?$`)
	timePattern = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$`)
)

// bytesSize is text such as 256MiB, or a number of bytes.
func bytesSize() kind[string] {
	s := shape{name: "a size such as 256MiB", schema: schema{"type": []any{"string", "integer"}, "pattern": sizePattern.String(), "minimum": 0}}
	return scalar(s, func(t string) (string, error) {
		if !sizePattern.MatchString(t) {
			return "", wrong{"is not a size", "write for instance 256MiB, 1.5GB or a number of bytes"}
		}
		return t, nil
	}, isText, isNumber)
}

func duration() kind[string] {
	return checked("a time such as 90s, 10m or 2h", timePattern, func(t string) error {
		if d, err := time.ParseDuration(t); err != nil || !timePattern.MatchString(t) || d <= 0 {
			return wrong{"is not a time above 0", "write for instance 90s, 10m, 2h or 1h30m"}
		}
		return nil
	})
}
