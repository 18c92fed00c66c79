package format

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"
)

// restoreSource is the template of RESTORE.md. What it says depends on
// capture.json alone, so all who write it write the same.
//
//go:embed restore.md.tmpl
var restoreSource string

// RestoreText returns the RESTORE.md of a capture.
func RestoreText(c *Capture) ([]byte, error) {
	t, err := template.New(RestoreFile).Parse(restoreSource)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", RestoreFile, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, c); err != nil {
		return nil, fmt.Errorf("write %s: %w", RestoreFile, err)
	}
	return b.Bytes(), nil
}
