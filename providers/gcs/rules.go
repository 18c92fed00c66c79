package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/api/googleapi"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

const (
	readRules  = "read rules"
	writeRules = "write rules"

	// maxRules bounds an answer. GCS has at most 100 rules, which is far less.
	maxRules = 4 << 20
)

var _ providers.Ruler = (*Bucket)(nil)

// Rules reads the lifecycle configuration of the bucket. The types of Google's
// library drop what they do not know; so the API is asked without them.
func (b *Bucket) Rules(ctx context.Context) (providers.RulesDocument, error) {
	doc := providers.RulesDocument{Store: lifecycle.GCS, Scope: "bucket " + b.location.bucket}
	answer, err := b.bucketRequest(ctx, http.MethodGet, url.Values{"fields": {"lifecycle,metageneration"}}, "")
	if err != nil {
		return doc, b.explainRules(ctx, readRules, err)
	}
	var settings struct {
		Lifecycle      json.RawMessage
		Metageneration string
	}
	if err := json.Unmarshal(answer, &settings); err != nil {
		return doc, &providers.Error{Op: readRules, Key: b.place(), Err: errors.New("the answer is no JSON of a bucket")}
	}
	if settings.Metageneration == "" {
		return doc, &providers.Error{Op: readRules, Key: b.place(), Err: fmt.Errorf("%w: the answer has no metageneration", providers.ErrUnsupported),
			Hint: "check the endpoint: what answers is no Google Cloud Storage"}
	}
	doc.Version = settings.Metageneration
	if string(settings.Lifecycle) != "null" {
		doc.Body = settings.Lifecycle
	}
	return doc, nil
}

// SetRules replaces the lifecycle configuration of the bucket, or removes it
// if there is no document. The version is that of all settings of the bucket.
func (b *Bucket) SetRules(ctx context.Context, doc providers.RulesDocument) error {
	value := "null"
	if doc.Body != nil {
		value = string(doc.Body)
	}
	// What is no value could become another setting of the bucket.
	if !json.Valid([]byte(value)) {
		return &providers.Error{Op: writeRules, Key: b.place(), Err: fmt.Errorf("%w: the rules are no JSON", providers.ErrUnsupported),
			Hint: `rules of Google Cloud Storage are an object {"rule": [...]}`}
	}
	q := url.Values{"fields": {"metageneration"}}
	if doc.Version != "" {
		q.Set("ifMetagenerationMatch", doc.Version)
	}
	_, err := b.bucketRequest(ctx, http.MethodPatch, q, `{"lifecycle":`+value+`}`)
	return b.explainRules(ctx, writeRules, err)
}

// bucketRequest sends one request about the bucket and returns the answer.
func (b *Bucket) bucketRequest(ctx context.Context, method string, q url.Values, body string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.location.userProject != "" {
		q.Set("userProject", b.location.userProject)
	}
	r, err := http.NewRequestWithContext(once(ctx), method, b.service+"b/"+b.location.bucket+"?"+q.Encode(), strings.NewReader(body))
	if err != nil {
		return nil, &finding{err}
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // was read
	if err := googleapi.CheckResponse(resp); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxRules+1))
	if err == nil && len(answer) > maxRules {
		err = &finding{errors.New("the answer is too large")}
	}
	return answer, err
}

// explainRules is explain for what is different with rules: a document that
// the store does not take.
func (b *Bucket) explainRules(ctx context.Context, op string, err error) error {
	a, answered := parseAnswer(err)
	if answered && ctx.Err() == nil && op == writeRules && a.status == http.StatusBadRequest && !strings.HasPrefix(a.reason, "userProject") {
		return &providers.Error{Op: op, Key: b.place(), Err: fmt.Errorf("%w: %s", providers.ErrUnsupported, a.text()),
			Hint: "the store does not take the rules as they are, and keeps those it had: its words say which part it refuses"}
	}
	return b.explain(ctx, op, b.place(), err)
}
