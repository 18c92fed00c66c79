package config

import (
	"errors"
	"strings"
)

var (
	errQuote   = errors.New("a quotation mark of the command is not closed")
	errSpecial = errors.New("the command has a character that only a shell understands")
)

// specialCharacters mean something to a shell where they are not quoted. To
// take them as they are would surprise.
const specialCharacters = "|&;<>()$`\n"

// splitWords splits a command line as a POSIX shell does: at blanks, with '…',
// "…" and \ as quotes. What a shell would do beyond that is refused.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			i++
			continue
		case c == '\'' || c == '"':
			n, err := quoted(&word, s[i:])
			if err != nil {
				return nil, err
			}
			i += n
		case c == '\\':
			if i+1 == len(s) {
				return nil, errQuote
			}
			word.WriteByte(s[i+1])
			i += 2
		case strings.IndexByte(specialCharacters, c) >= 0:
			return nil, errSpecial
		default:
			word.WriteByte(c)
			i++
		}
		inWord = true
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted adds what the quotation mark at the beginning of s encloses to the
// word, and returns how many bytes of s that took.
func quoted(word *strings.Builder, s string) (int, error) {
	mark := s[0]
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == mark:
			return i + 1, nil
		case mark == '\'':
		case c == '$' || c == '`':
			return 0, errSpecial
		case c == '\\' && i+1 < len(s) && strings.IndexByte("\\\"$`", s[i+1]) >= 0:
			i++
			c = s[i]
		}
		word.WriteByte(c)
	}
	return 0, errQuote
}
