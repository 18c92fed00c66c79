package config

import (
	"fmt"
	"strings"
)

// maxExpansion is how many bytes the environment may add to one file.
const maxExpansion = 1 << 20

// expand puts the environment into a scalar: ${NAME}, ${NAME:-DEFAULT}, and $$
// for a dollar. It reports whether the value can be used; if not, it has noted
// why.
func (r *reader) expand(n *node) bool {
	n.text = n.raw
	if n.form != isText {
		return true
	}
	if !strings.Contains(n.raw, "$") {
		return r.expanded(n)
	}
	var out strings.Builder
	rest := n.raw
	for {
		plain, after, found := strings.Cut(rest, "$")
		out.WriteString(plain)
		if !found {
			n.text = out.String()
			return r.expanded(n)
		}
		switch {
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			rest = after[1:]
		case strings.HasPrefix(after, "{"):
			inner, behind, closed := strings.Cut(after[1:], "}")
			name, fallback, hasFallback := strings.Cut(inner, ":-")
			if !closed || !isVariable(name) {
				r.hide(n) // perhaps a secret that begins so
				r.problem(n.at, "a ${ begins no variable", "write ${NAME} or ${NAME:-DEFAULT}, and $$ for a dollar")
				return false
			}
			value, ok := r.variable(n, name, fallback, hasFallback)
			if !ok {
				return false
			}
			out.WriteString(value)
			n.expanded = true
			rest = behind
		default:
			r.hide(n) // perhaps a secret that begins so
			r.problem(n.at, "a dollar stands alone", "write ${NAME} for a variable of the environment, $$ for a dollar")
			return false
		}
	}
}

// variable returns the value of a variable. As in a shell, the default stands
// for one that is empty, too.
func (r *reader) variable(n *node, name, fallback string, hasFallback bool) (string, bool) {
	value, ok := r.options.lookup(name)
	switch {
	case value == "" && hasFallback:
		value = fallback
	case !ok:
		r.problem(n.at, fmt.Sprintf("the variable %s is not set", Mask(name)), fmt.Sprintf("set it, or write ${%s:-DEFAULT}", Mask(name)))
		return "", false
	}
	if r.spent += len(value); r.spent > maxExpansion {
		r.problem(n.at, fmt.Sprintf("the environment adds more than %d KiB", maxExpansion>>10), "check the variables that are used here")
		return "", false
	}
	return value, true
}

// expanded refuses what has become a secret, by the environment or by escapes
// that hid it in the file.
func (r *reader) expanded(n *node) bool {
	if HoldsSecret(n.text) || HoldsSecret(n.raw) {
		r.hide(n)
		if !r.secrets { // else it was found by line
			r.plainSecret(n.at)
		}
		return false
	}
	return true
}

// hide keeps all of a node, keys and values, from being shown.
func (r *reader) hide(n *node) {
	if r.hidden[n] {
		return
	}
	r.hidden[n] = true
	for _, t := range n.tokens {
		r.excerpts.hide(t)
	}
	for _, item := range n.items {
		r.hide(item)
	}
	for _, p := range n.pairs {
		r.excerpts.hide(p.token)
		r.hide(p.value)
	}
}
