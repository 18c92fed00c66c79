package install

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// property is one entry of a configuration file.
type property struct{ name, value string }

// maxConf bounds a configuration file, in bytes.
const maxConf = 4 << 20

// parseProperties reads the format of java.util.Properties, which is that of
// neo4j.conf: comments begin with # or !, a name ends at the first =, : or
// space, a backslash at the end of a line continues it, and one elsewhere
// escapes what follows.
func parseProperties(text string) ([]property, error) {
	if len(text) > maxConf {
		return nil, fmt.Errorf("it has more than %d bytes", maxConf)
	}
	var all []property
	lines := strings.FieldsFunc(strings.ReplaceAll(text, "\r\n", "\n"), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := 0; i < len(lines); i++ {
		line := trimLeft(lines[i])
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continued(line) {
			line = line[:len(line)-1]
			if i++; i < len(lines) {
				line += trimLeft(lines[i])
			}
		}
		name, value := split(line)
		p := property{}
		var err error
		if p.name, err = unescape(name); err == nil {
			p.value, err = unescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

func trimLeft(s string) string { return strings.TrimLeft(s, " \t\f") }

// continued reports whether a line ends in a backslash that nothing escapes.
func continued(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// split parts a line at the first separator that nothing escapes.
func split(line string) (name, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.ContainsRune("=: \t\f", rune(line[i])) {
			end = i
			break
		}
	}
	name, value = line[:end], trimLeft(line[end:])
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = trimLeft(value[1:])
	}
	return name, value
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+4 >= len(s) {
				return "", fmt.Errorf(`malformed \u escape`)
			}
			code, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf(`malformed \u escape`)
			}
			b.WriteRune(rune(code))
			i += 4
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b.WriteRune(r)
			i += n - 1
		}
	}
	return b.String(), nil
}
