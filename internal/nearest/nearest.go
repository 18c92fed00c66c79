// Package nearest guesses which word a mistyped one was meant to be.
package nearest

import "strings"

// maxLength is how many bytes a word may have, so that a guess is made at once.
const maxLength = 64

// Word returns the known word that a mistyped one most likely meant, by
// Levenshtein distance without regard to case, or "" if none is near: more
// than a third of the letters differ. Ties go to the first.
func Word(word string, known []string) string {
	if len(word) > maxLength {
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
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, changed)
		}
	}
	return row[len(b)]
}
