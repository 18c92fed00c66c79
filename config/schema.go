package config

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// SchemaID is where the JSON Schema of the configuration is published.
const SchemaID = "https://github.com/snapferry/snapferry/blob/main/docs/schema/config.schema.json"

// Schema returns the JSON Schema of the configuration, for editors. It says
// what can be said of one value by itself; Parse knows more.
func Schema() ([]byte, error) {
	s := fileKind().shape.jsonSchema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = SchemaID
	s["title"] = "Configuration of snapferry"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return b.Bytes(), nil
}

// fromEnvironment is what may stand for every scalar: no editor knows what
// becomes of it.
func fromEnvironment() schema { return schema{"type": "string", "pattern": `\$\{`} }

func (s shape) jsonSchema() schema {
	switch {
	case s.items != nil:
		return schema{"type": "array", "minItems": 1, "items": s.items.jsonSchema()}
	case s.values != nil:
		return schema{"type": "object", "propertyNames": s.keys.schema, "additionalProperties": s.values.jsonSchema()}
	case s.fields == nil:
		if s.schema["type"] == "string" && len(s.schema) == 2 && s.schema["minLength"] != nil {
			return schema{"type": "string", "minLength": 1}
		}
		return schema{"anyOf": []any{s.schema, fromEnvironment()}}
	}
	properties := schema{}
	var required []any
	for _, m := range s.fields {
		p := m.jsonSchema()
		p["description"] = m.doc
		if m.fallback != "" {
			p["default"] = m.value(m.fallback)
		}
		properties[m.key] = p
		if m.required {
			required = append(required, m.key)
		}
	}
	out := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		out["required"] = required
	}
	return out
}

// value turns the text of a scalar into what JSON calls it.
func (s shape) value(text string) any {
	switch s.schema["type"] {
	case "integer":
		return json.Number(text)
	case "boolean":
		return text == "true"
	}
	return text
}
