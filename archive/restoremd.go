package archive

import (
	_ "embed"
	"strings"
	"text/template"
)

// restoreSource is the template of RESTORE.md. What it says depends on
// capture.json alone, so all who write it write the same.
//
//go:embed restore.md.tmpl
var restoreSource string

// restoreText returns the RESTORE.md of a capture. The template is fixed and
// its data validated, so executing it cannot fail; a test holds that.
func restoreText(c *Capture) []byte {
	t := template.Must(template.New(restoreFile).Parse(restoreSource))
	var b strings.Builder
	if err := t.Execute(&b, c); err != nil {
		panic(err)
	}
	return []byte(b.String())
}
