package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/native"
	"github.com/snapferry/snapferry/providers"
	"github.com/snapferry/snapferry/providers/all"
)

const keepHint = "say what is kept, such as --retention daily=14,weekly=8,monthly=12"

// RenderRules returns the lifecycle rules of a vault in a store's own
// language: the XML of s3, the JSON of gcs or azure, or terraform for the store
// that the URL of the vault names. Empty means that store's own. Nothing is
// asked of the store. The rules are the vault's alone: whoever writes them as
// they are replaces those of others.
func RenderRules(v Vault, language string) ([]byte, error) {
	if v.Retention.IsZero() {
		return nil, usage("render", errors.New("nothing is kept for a time, so there are no rules"), keepHint)
	}
	if err := all.Registry().Check(v.URL); err != nil {
		return nil, err
	}
	store := storeOf(v.URL)
	u, err := url.Parse(v.URL)
	if err != nil || store == lifecycle.NoRules {
		return nil, usage(providers.Redact(v.URL), errors.New("a folder has no lifecycle rules"), "give the URL of a bucket, such as s3://BUCKET/PREFIX")
	}
	root := strings.Trim(u.Path, "/")
	if err := providers.CheckPrefix(root); err != nil {
		return nil, usage(providers.Redact(v.URL), err, "correct the URL")
	}
	const terraform = "terraform"
	known := []string{string(lifecycle.S3), string(lifecycle.GCS), string(lifecycle.Azure), terraform}
	switch language {
	case "", terraform:
	case known[0], known[1], known[2]:
		store = lifecycle.Store(language)
	default:
		return nil, usage("--for "+language, errors.New("it is not known"), Suggest(language, known))
	}
	rules := v.Retention.Rules(store)
	if language == terraform {
		text, err := native.Terraform(store, u.Host, root, rules)
		return text, rendered(err)
	}
	doc, err := native.Render(store, u.Host, root, rules)
	if err != nil || doc.Body[0] == '<' {
		return doc.Body, rendered(err)
	}
	var text bytes.Buffer
	err = json.Indent(&text, doc.Body, "", "  ")
	return text.Bytes(), rendered(err)
}

func rendered(err error) error {
	if errors.Is(err, native.ErrClass) || errors.Is(err, native.ErrTooMany) {
		return usage("render", err, "change what the vault keeps")
	}
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	return nil
}

// storeOf tells the kind of store by a URL alone: an endpoint of its own is
// taken to be that of another store than Amazon's.
func storeOf(rawURL string) lifecycle.Store {
	scheme, _, _ := strings.Cut(rawURL, "://")
	switch strings.ToLower(scheme) {
	case "s3":
		if strings.Contains(rawURL, "endpoint=") {
			return lifecycle.S3Compatible
		}
		return lifecycle.S3
	case "gs":
		return lifecycle.GCS
	case "azblob":
		return lifecycle.Azure
	}
	return lifecycle.NoRules
}
