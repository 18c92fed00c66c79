package config

// secretRef says where a secret is, as text or, of a command, as a list.
func secretRef() kind[Secret] {
	command := schema{"type": "object", "additionalProperties": false, "required": []any{"command"},
		"properties": schema{"command": schema{"type": "array", "items": schema{"type": "string"}, "minItems": 1}}}
	s := shape{name: "env:NAME, file:PATH or command:PROGRAM ARGUMENTS", secret: true,
		schema: schema{"anyOf": []any{schema{"type": "string", "pattern": `^(env:[A-Za-z_][A-Za-z0-9_]*$|file:.|command:.)`}, command}}}
	return kind[Secret]{shape: s, read: func(r *reader, n *node) (Secret, bool) {
		r.steps++
		var secret Secret
		var err error
		switch {
		case n.form == isText:
			secret, err = ParseSecret(n.text)
		case n.form == isMapping && len(n.pairs) == 1 && n.pairs[0].key == "command":
			var args []string
			var ok bool
			if args, ok = r.words(n.pairs[0].value); !ok {
				return secret, false
			}
			secret, err = CommandSecret(args...)
		default:
			r.hide(n)
			r.mismatch(n, s)
			return secret, false
		}
		if err != nil {
			r.unusable(n, s, err)
		}
		return secret, err == nil
	}}
}

// words are those of a command.
func (r *reader) words(n *node) ([]string, bool) {
	var args []string
	for _, item := range n.items {
		if item.form != isText {
			r.hide(n)
			r.mismatch(item, shape{name: "a word", schema: schema{"type": "string"}})
			return nil, false
		}
		args = append(args, item.text)
	}
	if len(args) == 0 {
		r.hide(n)
		r.problem(n.at, "the command is no list of words", "write command: [PROGRAM, ARGUMENT]")
		return nil, false
	}
	return args, true
}
