package config

import (
	"fmt"
	"strings"

	"github.com/snapferry/snapferry/internal/nearest"
)

// maxSuggested is how many words a hint lists.
const maxSuggested = 20

// suggest returns the hint for a word that is not one of those known.
func suggest(word string, known []string) string {
	if len(known) == 0 {
		return "none is defined"
	}
	list := "known are " + strings.Join(known[:min(len(known), maxSuggested)], ", ")
	if len(known) > maxSuggested {
		list += " and others"
	}
	if near := nearest.Word(word, known); near != "" {
		return fmt.Sprintf("did you mean %s? %s", near, list)
	}
	return list
}

// suggest does so while problems are still told: to compare each of many words
// with each of many others takes its time.
func (r *reader) suggest(word string, known []string) string {
	if len(r.problems) >= maxProblems {
		return ""
	}
	return suggest(word, known)
}
