package config

import (
	"fmt"
	"strings"
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
	if near := nearest(word, known); near != "" {
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

// nearest returns the known word that a mistyped one most likely meant, by
// Levenshtein distance without regard to case, or "" if more than a third of
// the letters differ.
func nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, limit := "", 1+max(1, len(word)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < limit {
			best, limit = k, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j]+1, row[j+1]+1, diagonal)
			if a[i] != b[j] {
				next = min(row[j]+1, row[j+1]+1, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
