package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// printed is a part of the effective configuration: what holds after the
// environment, the defaults and the flags, and where it is from.
type printed struct {
	key    string
	value  any    // of a scalar or a list, as JSON
	text   string // the same as YAML
	origin string // "line 7", "default"
	parts  []printed
}

// Print returns the effective configuration as a file that says the same, with
// the origin of each value as a comment. flags are settings that the command
// line has; they go before the file. Secrets are named by their origins, as
// the file has them; what may be a credential elsewhere is masked.
func (c *Config) Print(flags Settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# the effective values of %s\n", c.File)
	for _, p := range c.effective(flags).parts {
		p.write(&b, 0)
	}
	return b.String()
}

// Values returns the effective configuration as what JSON makes of it, and the
// origins of all values by their paths, such as vaults.offsite.url.
func (c *Config) Values(flags Settings) (values map[string]any, origins map[string]string) {
	origins = map[string]string{}
	all, _ := c.effective(flags).json("", origins).(map[string]any)
	return all, origins
}

func (c *Config) effective(flags Settings) printed {
	p := printer{shown: c.shown, flags: flags, defaults: c.root.get("defaults")}
	return p.mapping(fileKind().shape, c.root, "")
}

type printer struct {
	shown    func(string) string
	flags    Settings
	defaults *node // may be nil
}

// mapping prints the members of a mapping in the order of their description,
// with their defaults.
func (p printer) mapping(s shape, n *node, name string) printed {
	var out printed
	for _, m := range s.fields {
		if one, ok := p.member(m, n.get(m.key), name); ok {
			one.key = m.key
			out.parts = append(out.parts, one)
		}
	}
	if s.values != nil {
		for _, pair := range n.pairs {
			one := p.any(*s.values, pair.value, pair.key)
			one.key = pair.key
			out.parts = append(out.parts, one)
		}
	}
	return out
}

func (p printer) member(m member, n *node, name string) (printed, bool) {
	if m.setting {
		if flag := p.flags.Get(m.key); flag != "" {
			return printed{value: m.value(flag), text: m.written(escape(flag)), origin: "--" + FlagOf(m.key)}, true
		}
		if n == nil && p.defaults != nil {
			if d := p.defaults.get(m.key); d != nil {
				one := p.any(m.shape, d, "")
				one.origin = "defaults, " + one.origin
				return one, true
			}
		}
	}
	switch {
	case n != nil:
		return p.any(m.shape, n, name), true
	case m.fallback != "":
		return printed{value: m.value(m.fallback), text: m.fallback, origin: "default"}, true
	case m.key == "series" && name != "":
		return printed{value: name, text: yamlText(name), origin: "default"}, true
	}
	return printed{}, false
}

func (p printer) any(s shape, n *node, name string) printed {
	switch {
	case s.fields != nil || s.values != nil:
		out := p.mapping(s, n, name)
		out.origin = originOf(n)
		return out
	case s.items != nil:
		var values []any
		var texts []string
		for _, item := range n.items {
			one := p.any(*s.items, item, "")
			values, texts = append(values, one.value), append(texts, one.text)
		}
		return printed{value: values, text: "[" + strings.Join(texts, ", ") + "]", origin: originOf(n)}
	case n.form == isMapping: // a secret from a command
		var words, texts []string
		for _, item := range n.pairs[0].value.items {
			words, texts = append(words, item.raw), append(texts, yamlText(item.raw))
		}
		return printed{value: map[string]any{"command": words}, text: "{command: [" + strings.Join(texts, ", ") + "]}", origin: originOf(n)}
	case s.secret:
		// As it is in the file: a variable in it stays one.
		return printed{value: n.raw, text: yamlText(n.raw), origin: originOf(n)}
	}
	text := n.text
	if s.url && p.shown != nil {
		text = p.shown(text)
	}
	text = Mask(text)
	if n.form != isText {
		return printed{value: s.value(text), text: text, origin: originOf(n)}
	}
	return printed{value: s.value(text), text: s.written(escape(text)), origin: originOf(n)}
}

func originOf(n *node) string {
	text := fmt.Sprintf("line %d", n.at.line)
	if n.fromEnvironment() {
		text += " and the environment"
	}
	return text
}

func (n *node) fromEnvironment() bool {
	for _, item := range n.items {
		if item.expanded {
			return true
		}
	}
	return n.expanded
}

// FlagOf returns the name of the flag that a setting is.
func FlagOf(key string) string { return strings.ReplaceAll(key, "_", "-") }

// escape makes text stand for itself where the environment is put in.
func escape(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// written writes a scalar of the shape as YAML.
func (s shape) written(text string) string {
	if t := s.schema["type"]; t == "integer" || t == "boolean" {
		return text
	}
	return yamlText(text)
}

// plainPattern is what may stand without quotation marks, unless it is taken
// for a number or the like.
var plainPattern = regexp.MustCompile(`^[A-Za-z0-9/.$][A-Za-z0-9 _./:?=&+@~%$*-]*$`)

// yamlText writes text as YAML, in quotation marks only if it must be.
func yamlText(text string) string {
	if plainPattern.MatchString(text) {
		tokens := lexer.Tokenize("[" + text + "]")
		if len(tokens) == 3 && tokens[1].Type == token.StringType && tokens[1].Value == text {
			return text
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // text can always be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

func (p printed) write(b *strings.Builder, depth int) {
	b.WriteString(strings.Repeat("  ", depth) + p.key + ":")
	if p.parts != nil {
		b.WriteByte('\n')
		for _, part := range p.parts {
			part.write(b, depth+1)
		}
		return
	}
	text := p.text
	if text == "" {
		text = "{}"
	}
	b.WriteString(" " + text)
	if p.origin != "" {
		b.WriteString("  # " + p.origin)
	}
	b.WriteByte('\n')
}

func (p printed) json(path string, origins map[string]string) any {
	if p.parts == nil && p.value != nil {
		origins[path] = p.origin
		return p.value
	}
	all := map[string]any{}
	for _, part := range p.parts {
		below := part.key
		if path != "" {
			below = path + "." + part.key
		}
		all[part.key] = part.json(below, origins)
	}
	return all
}
