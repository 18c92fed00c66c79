package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/snapferry/snapferry/job"
)

// writeJSON prints one object.
func writeJSON(w io.Writer, result any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(result); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// writeText prints lines whose columns, parted by tabs, are aligned.
func writeText(w io.Writer, text func(io.Writer)) error {
	buffered := bufio.NewWriter(w)
	aligned := tabwriter.NewWriter(buffered, 0, 0, 2, ' ', 0)
	text(aligned)
	err := aligned.Flush()
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// line prints one line of a result; Flush tells whether it could be.
func line(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// describe prints what is known of a complete backup.
func describe(w io.Writer, b *job.Backup) {
	line(w, "backup\t%s", b.Name)
	line(w, "vault\t%s", b.Vault)
	if b.Source != nil {
		line(w, "source\t%s", sourceText(b.Source))
	}
	if b.Completed != nil {
		line(w, "completed\t%s", b.Completed.Format(time.RFC3339))
	}
	line(w, "raw\t%s\t(%d bytes)", formatBytes(b.RawBytes), b.RawBytes)
	line(w, "stored\t%s\t(%d bytes)", formatBytes(b.StoredBytes), b.StoredBytes)
	for _, im := range b.Images {
		line(w, "image\t%s\t%s, %s, %s", im.Title, im.Form, formatBytes(im.Size), count(int(im.Segments), "segment"))
	}
	if b.Encryption != nil {
		for _, r := range b.Encryption.Recipients {
			line(w, "encrypted to\t%s", r)
		}
	}
	if b.Signature != nil {
		trust := "by a key that was not asked for"
		if b.Signature.Trusted {
			trust = "trusted"
		}
		line(w, "signed by\t%s\t%s", b.Signature.Key, trust)
	}
	for _, id := range b.Builds {
		line(w, "builds on\t%s", id)
	}
	if b.Missing != "" {
		line(w, "missing\t%s\tit builds on it and cannot be restored", b.Missing)
	}
	if len(b.Stands) > 0 {
		line(w, "stands for\t%s\t%s", strings.Join(b.Stands, ", "), untilText(b.PromisedUntil))
	}
	if b.RestorableUntil != nil {
		line(w, "restorable\t%s", untilText(b.RestorableUntil))
	}
	if !b.Checked {
		line(w, "unchecked\tnobody looked whether the source stayed the same")
	}
}

func untilText(t *time.Time) string {
	if t == nil {
		return "for ever"
	}
	return "until " + t.Format(time.RFC3339)
}

func sourceText(s *job.Source) string {
	text := s.Type
	for _, part := range []string{s.Host, s.Path, s.ID} {
		if part != "" {
			text += " " + part
		}
	}
	return text
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
