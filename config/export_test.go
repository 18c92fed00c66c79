package config

import (
	"fmt"
	"strings"
)

// DocRows are the rows that docs/config.md must have: for each mapping with
// known keys its path and, for each key, the cells of the row.
func DocRows() []string { return docRows("top", fileKind().shape) }

func docRows(path string, s shape) []string {
	var rows []string
	for _, m := range s.fields {
		if m.setting && path != "defaults" {
			continue // the same as there
		}
		fallback := "–"
		switch {
		case m.required:
			fallback = "required"
		case m.fallback != "":
			fallback = "`" + m.fallback + "`"
		}
		rows = append(rows, fmt.Sprintf("%s | `%s` | %s | %s | %s | `%s` |", path, m.key, m.name, m.doc, fallback, m.example))
	}
	for _, m := range s.fields {
		below := strings.TrimPrefix(path+"."+m.key, "top.")
		switch {
		case m.fields != nil:
			rows = append(rows, docRows(below, m.shape)...)
		case m.values != nil:
			rows = append(rows, docRows(below+".NAME", *m.values)...)
		case m.items != nil:
			rows = append(rows, docRows(below, *m.items)...)
		}
	}
	return rows
}

// Steps is how many values reading data looked at.
func Steps(data []byte, o Options) int {
	r := &reader{options: o, anchors: map[string]*node{}, hidden: map[*node]bool{}}
	r.config(data)
	return r.steps
}
