package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration, and where. None of
// its texts holds a secret: values that may be one are masked.
type Problem struct {
	Line   int    `json:"line"`   // from 1; 0 if it is about the file as a whole
	Column int    `json:"column"` // from 1, in characters
	Path   string `json:"path"`   // such as vaults.offsite.url; may be empty
	Text   string `json:"problem"`
	Hint   string `json:"hint"`
	// Excerpt shows the line, and below it a pointer to the place.
	Excerpt string `json:"excerpt"`
}

// String returns the problem on one line.
func (p Problem) String() string {
	where := ""
	if p.Line > 0 {
		where = fmt.Sprintf("line %d, column %d: ", p.Line, p.Column)
	}
	if p.Path != "" {
		where += p.Path + ": "
	}
	return where + p.Text
}

// Problems is the cause of the error of a configuration that cannot be used,
// in the order of the file. It wraps ErrInvalid.
type Problems struct { //nolint:errname // it is a list of them
	List    []Problem
	Omitted int // how many more there are
}

func (p *Problems) Error() string {
	text := fmt.Sprintf("%v: %v", ErrInvalid, p.List[0])
	switch more := len(p.List) - 1 + p.Omitted; more {
	case 0:
		return text
	case 1:
		return text + " (and one more problem)"
	default:
		return fmt.Sprintf("%s (and %d more problems)", text, more)
	}
}

func (p *Problems) Unwrap() error { return ErrInvalid }

// UserHint returns what to do about the first problem.
func (p *Problems) UserHint() string {
	hint := p.List[0].Hint
	if len(p.List)+p.Omitted > 1 {
		hint += "; snapferry config validate shows all problems"
	}
	return hint
}

// Show returns all problems with their lines and hints, for people.
func (p *Problems) Show(file string) string {
	var b strings.Builder
	for _, one := range p.List {
		b.WriteString(file)
		if one.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", one.Line, one.Column)
		}
		b.WriteString(": ")
		if one.Path != "" {
			b.WriteString(one.Path + ": ")
		}
		b.WriteString(one.Text + "\n")
		b.WriteString(one.Excerpt)
		if one.Hint != "" {
			b.WriteString("  = " + one.Hint + "\n")
		}
	}
	if p.Omitted > 0 {
		fmt.Fprintf(&b, "and %d more\n", p.Omitted)
	}
	return b.String()
}
