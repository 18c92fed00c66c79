package providertest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/providers"
)

// Rules is one store with lifecycle rules under test.
type Rules struct {
	// Bucket is open and has no rules. RunRules does not close it.
	Bucket providers.Bucket
	// Missing is open on a bucket that does not exist; nil if nobody can tell.
	Missing providers.Bucket
	// TakesMissing says that the store takes rules of a bucket that does not
	// exist, as MinIO does. That their bucket is there, reading tells.
	TakesMissing bool
	// Store, Scope and Container are what documents of it say.
	Store            lifecycle.Store
	Scope, Container string
	// One and Other are two documents of the store's language with rules of
	// other people in them.
	One, Other []byte
	// Rewrites says that the store keeps what a document says, and not its
	// bytes; what it has given back once it must keep.
	Rewrites bool
}

// RunRules tries what providers.Ruler promises, each test on a store of its
// own.
func RunRules(t *testing.T, open func(t *testing.T) Rules) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r Rules, ruler providers.Ruler)
	}{
		{"none", testNoRules},
		{"round trip", testRulesRoundTrip},
		{"remove", testRemoveRules},
		{"changed meanwhile", testRulesChanged},
		{"missing bucket", testRulesOfNoBucket},
		{"cancelled", testRulesCancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t)
			test.run(t, r, ruler(t, r.Bucket))
		})
	}
}

// ruler finds the rules as everybody does: behind the decorators.
func ruler(t *testing.T, b providers.Bucket) providers.Ruler {
	t.Helper()
	r, ok := providers.Feature[providers.Ruler](providers.Decorate(b, providers.Policy{Tries: 1}))
	if !ok {
		t.Fatalf("%T has no rules", b)
	}
	return r
}

func readRules(t *testing.T, r Rules, from providers.Ruler) providers.RulesDocument {
	t.Helper()
	doc, err := from.Rules(t.Context())
	if err != nil {
		t.Fatalf("read rules: %v", err)
	}
	if doc.Store != r.Store || doc.Scope != r.Scope || doc.Container != r.Container {
		t.Errorf("rules of %q, %q, container %q; want %q, %q, %q", doc.Store, doc.Scope, doc.Container, r.Store, r.Scope, r.Container)
	}
	return doc
}

// setRules writes body over what is there now.
func setRules(t *testing.T, r Rules, to providers.Ruler, body []byte) {
	t.Helper()
	doc := readRules(t, r, to)
	doc.Body = body
	if err := to.SetRules(t.Context(), doc); err != nil {
		t.Fatalf("write rules: %v", err)
	}
}

func wantNoRules(t *testing.T, r Rules, from providers.Ruler) {
	t.Helper()
	if doc := readRules(t, r, from); doc.Body != nil {
		t.Errorf("rules where there are none: %q", doc.Body)
	}
}

func wantRules(t *testing.T, r Rules, from providers.Ruler, want []byte) {
	t.Helper()
	if got := readRules(t, r, from).Body; !bytes.Equal(got, want) {
		t.Errorf("rules read\n%s\nwritten\n%s", got, want)
	}
}

func testNoRules(t *testing.T, r Rules, ruler providers.Ruler) {
	wantNoRules(t, r, ruler)
	setRules(t, r, ruler, nil) // removing nothing is no error
	wantNoRules(t, r, ruler)
}

func testRulesRoundTrip(t *testing.T, r Rules, ruler providers.Ruler) {
	for _, body := range [][]byte{r.One, r.Other, r.One} {
		setRules(t, r, ruler, body)
		kept := readRules(t, r, ruler).Body
		if kept == nil || !r.Rewrites && !bytes.Equal(kept, body) {
			t.Fatalf("rules read\n%s\nwritten\n%s", kept, body)
		}
		setRules(t, r, ruler, kept)
		wantRules(t, r, ruler, kept)
	}
}

func testRemoveRules(t *testing.T, r Rules, ruler providers.Ruler) {
	setRules(t, r, ruler, r.One)
	setRules(t, r, ruler, nil)
	wantNoRules(t, r, ruler)
	setRules(t, r, ruler, r.Other)
	if readRules(t, r, ruler).Body == nil {
		t.Error("no rules after they were removed and written again")
	}
}

// testRulesChanged: where the store has versions, a write over rules that
// somebody else has changed does nothing, and neither does removing them.
func testRulesChanged(t *testing.T, r Rules, ruler providers.Ruler) {
	old := readRules(t, r, ruler)
	setRules(t, r, ruler, r.One)
	if old.Version == "" {
		return
	}
	kept := readRules(t, r, ruler).Body
	for _, body := range [][]byte{r.Other, nil} {
		old.Body = body
		wantRulesError(t, ruler.SetRules(t.Context(), old), "write rules", providers.ErrChanged)
		wantRules(t, r, ruler, kept)
	}
	setRules(t, r, ruler, r.Other)
}

func testRulesOfNoBucket(t *testing.T, r Rules, _ providers.Ruler) {
	if r.Missing == nil {
		return
	}
	missing := ruler(t, r.Missing)
	doc, err := missing.Rules(t.Context())
	wantRulesError(t, err, "read rules", providers.ErrNoBucket)
	for _, body := range [][]byte{r.One, nil} {
		doc.Body = body
		err := missing.SetRules(t.Context(), doc)
		if !r.TakesMissing || err != nil {
			wantRulesError(t, err, "write rules", providers.ErrNoBucket)
		}
	}
}

func testRulesCancelled(t *testing.T, r Rules, ruler providers.Ruler) {
	doc := readRules(t, r, ruler)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ruler.Rules(ctx)
	wantRulesError(t, err, "read rules", context.Canceled)
	for _, body := range [][]byte{r.One, nil} {
		doc.Body = body
		wantRulesError(t, ruler.SetRules(ctx, doc), "write rules", context.Canceled)
	}
	wantNoRules(t, r, ruler)
}

func wantRulesError(t *testing.T, err error, op string, want error) {
	t.Helper()
	e, ok := errors.AsType[*providers.Error](err)
	if !errors.Is(err, want) || !ok || e.Op != op || !providers.Permanent(err) || (e.Hint == "" && !errors.Is(want, context.Canceled)) {
		t.Errorf("%v (%+v), want %s: %v with a hint", err, e, op, want)
	}
}
