package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/snapferry/snapferry/config"
	"github.com/snapferry/snapferry/internal/testenv"
)

// The published schema is the one that the program prints.
func TestPublishedSchema(t *testing.T) {
	path := filepath.Join(testenv.RepoRoot(t), "docs", "schema", "config.schema.json")
	want, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what snapferry config schema prints (%v)", path, err)
	}
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(config.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(config.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate asks the schema about a file, as an editor does.
func validate(s *jsonschema.Schema, data []byte) error {
	var doc any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// What the program accepts an editor accepts, and what is wrong by its form
// neither does.
func TestSchemaAgrees(t *testing.T) {
	s := compileSchema(t)
	if err := validate(s, []byte(full)); err != nil {
		t.Errorf("the schema refuses the full example: %v", err)
	}
	for name, c := range map[string]struct {
		in   string
		good bool
	}{
		"nothing":         {"{}", true},
		"a vault":         {"vaults: {v: {url: /x}}", true},
		"unknown key":     {"vaults: {v: {url: /x, urll: /y}}", false},
		"unknown top":     {"vault: {}", false},
		"no url":          {"vaults: {v: {zone: UTC}}", false},
		"number for text": {"vaults: {v: {url: 1}}", false},
		"name":            {"vaults: {a/b: {url: /x}}", false},
		"version":         {"version: 2", false},
		"level":           {"defaults: {level: fst}", false},
		"levels":          {"defaults: {level: auto}", true},
		"variable":        {"defaults: {level: \"${LEVEL}\", retries: \"${N}\"}", true},
		"size":            {"defaults: {max_memory: lots}", false},
		"sizes":           {"defaults: {max_memory: 1.5 GB}", true},
		"bytes":           {"defaults: {max_memory: 1000000000}", true},
		"time":            {"defaults: {deadline: 1 day}", false},
		"negative":        {"defaults: {retries: -1}", false},
		"tier":            {"vaults: {v: {url: /x}}\njobs: {j: {source: /x, vaults: [v], tier: dayly}}", false},
		"no vaults":       {"jobs: {j: {source: /x}}", false},
		"empty vaults":    {"vaults: {v: {url: /x}}\njobs: {j: {source: /x, vaults: []}}", false},
		"secret":          {"vaults: {v: {url: /x, encrypt: {passphrase: hunter2}}}", false},
		"command":         {"vaults: {v: {url: /x, encrypt: {passphrase: {command: [pass, x]}}}}", true},
		"empty command":   {"vaults: {v: {url: /x, encrypt: {passphrase: {command: []}}}}", false},
		"recipient":       {"vaults: {v: {url: /x, encrypt: {age: [age2x]}}}", false},
		"signer":          {"vaults: {v: {url: /x, sign: {signers: [ssh-rsa]}}}", false},
		"lock mode":       {"vaults: {v: {url: /x, lock: {daily: {mode: soft, days: 1}}}}", false},
		"lock days":       {"vaults: {v: {url: /x, lock: {daily: {mode: governance, days: 0}}}}", false},
		"lock tier":       {"vaults: {v: {url: /x, lock: {dayly: {mode: governance, days: 1}}}}", false},
		"a bool":          {"vaults: {v: {url: /x, versions: yes}}", false},
	} {
		_, perr := parse([]byte(c.in))
		serr := validate(s, []byte(c.in))
		if (perr == nil) != c.good || (serr == nil) != c.good {
			t.Errorf("%s: the program says %v, the schema %v", name, perr, serr)
		}
	}
}

// docs/config.md has every key of the schema, with its text and its default.
func TestDocumentedKeys(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.RepoRoot(t), "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	section := ""
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(name)
		}
		if strings.HasPrefix(line, "| `") && strings.HasPrefix(section, "`") {
			documented = append(documented, strings.Trim(section, "`")+" "+strings.TrimSpace(line))
		}
	}
	want := config.DocRows()
	for i := range max(len(want), len(documented)) {
		switch {
		case i >= len(want):
			t.Fatalf("docs/config.md has a row too many: %s", documented[i])
		case i >= len(documented) || documented[i] != want[i]:
			t.Fatalf("docs/config.md lacks the row, or has another in its place:\n%s", want[i])
		}
	}
	// The example of the page is one.
	_, example, found := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if _, err := parse([]byte(example)); !found || err != nil {
		t.Errorf("the example: %v", err)
	}
	if err := validate(compileSchema(t), []byte(example)); err != nil {
		t.Errorf("the example and the schema: %v", err)
	}
}
