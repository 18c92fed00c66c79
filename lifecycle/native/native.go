// Package native reads and writes lifecycle rules in the languages of the
// stores: the XML of S3, the JSON of GCS and of Azure, and Terraform's. Rules
// that are not of the vault at hand stay byte for byte as they were.
package native

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/lifecycle"
)

// Document is the lifecycle configuration of a bucket or storage account.
type Document struct {
	Store lifecycle.Store
	// Container is what Azure writes before keys in its rules; else empty.
	Container string
	// Body is the document as the store gave it; empty: there are no rules.
	// S3: XML, LifecycleConfiguration. GCS: JSON, a bucket's "lifecycle".
	// Azure: JSON, the "policy" of a management policy.
	Body []byte
}

// The causes of errors.
var (
	ErrMalformed = errors.New("these are no lifecycle rules of that store")
	ErrTooMany   = errors.New("more lifecycle rules than the store takes")
	ErrClass     = errors.New("the store has no such storage class")
	ErrNoRules   = errors.New("the store has no lifecycle rules")
)

// Rules are the rules of a store, in their order.
type Rules struct {
	doc        Document
	lang       language
	rules      []rule
	head, tail []byte // of the document, around the rules
}

// rule is one native rule.
type rule struct {
	name    string // its ID or name, or its number where rules have none
	raw     []byte
	before  []byte // text between it and the rule before, which the language allows
	effects []lifecycle.Effect
	unknown []string // what it does that this program does not know
}

// language is how one store writes rules.
type language interface {
	// split finds the rules in a document that is not empty.
	split(body []byte) (head, tail []byte, rules []rule, err error)
	join(head, tail []byte, rules []rule) []byte
	empty() (head, tail []byte)
	// read tells what a rule does.
	read(r *rule, container string) error
	// owned returns the tier whose rule it is, if it is one of the vault below root.
	owned(r *rule, container, root string) (lifecycle.Tier, bool)
	write(container, root string, rules []lifecycle.Rule) ([][]byte, error)
	canonical(raw []byte) string
	limit() int
	// named: rules have names, by which one replaces another.
	named() bool
}

func languageOf(s lifecycle.Store) (language, error) {
	switch s {
	case lifecycle.S3, lifecycle.S3Compatible:
		return s3Language{compatible: s == lifecycle.S3Compatible}, nil
	case lifecycle.GCS:
		return gcsLanguage{}, nil
	case lifecycle.Azure:
		return azureLanguage{}, nil
	case lifecycle.NoRules:
	}
	return nil, fmt.Errorf("%w: %q", ErrNoRules, string(s))
}

// Parse reads all rules of a document, whoever made them. Errors are
// ErrMalformed and ErrNoRules.
func Parse(doc Document) (*Rules, error) {
	lang, err := languageOf(doc.Store)
	if err != nil {
		return nil, err
	}
	r := &Rules{doc: doc, lang: lang}
	if len(doc.Body) == 0 {
		r.head, r.tail = lang.empty()
		return r, nil
	}
	if r.head, r.tail, r.rules, err = lang.split(doc.Body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r, r.readAll()
}

func (r *Rules) readAll() error {
	for i := range r.rules {
		x := &r.rules[i]
		x.name, x.effects, x.unknown = fmt.Sprintf("rule %d", i+1), nil, nil
		if err := r.lang.read(x, r.doc.Container); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrMalformed, x.name, err)
		}
		for j := range x.effects {
			x.effects[j].Rule = x.name
		}
	}
	return nil
}

// Len is the number of rules.
func (r *Rules) Len() int { return len(r.rules) }

// Document is the document of the rules. Its Body is empty if there are none.
func (r *Rules) Document() Document {
	doc := r.doc
	doc.Body = nil
	if len(r.rules) > 0 {
		doc.Body = r.lang.join(r.head, r.tail, r.rules)
	}
	return doc
}

// Ruleset is what the rules may do; those of the vault below root are marked
// as its own.
func (r *Rules) Ruleset(root string) lifecycle.Ruleset {
	set := lifecycle.Ruleset{Store: r.doc.Store}
	for i := range r.rules {
		x := &r.rules[i]
		_, own := r.lang.owned(x, r.doc.Container, root)
		for _, e := range x.effects {
			e.Own = own
			set.Effects = append(set.Effects, e)
		}
	}
	return set
}

// Unknown lists what rules do that this program does not know, and so takes to
// be harmless: "rule: what".
func (r *Rules) Unknown() (texts []string) {
	for _, x := range r.rules {
		for _, what := range x.unknown {
			texts = append(texts, x.name+": "+what)
		}
	}
	return texts
}

// Tiers are those of the vault below root that have rules, in order.
func (r *Rules) Tiers(root string) (tiers []lifecycle.Tier) {
	for _, t := range lifecycle.Tiers() {
		if slices.ContainsFunc(r.rules, func(x rule) bool {
			tier, own := r.lang.owned(&x, r.doc.Container, root)
			return own && tier == t
		}) {
			tiers = append(tiers, t)
		}
	}
	return tiers
}

// Merge returns the rules with those of the vault below root replaced by
// others. All else stays as it is, and so do the vault's rules of the tiers to
// keep, if the new ones say nothing of them. What does not change keeps its
// bytes and its place. Errors are ErrTooMany and ErrClass.
func (r *Rules) Merge(root string, rules []lifecycle.Rule, keep ...lifecycle.Tier) (*Rules, error) {
	raws, err := r.lang.write(r.doc.Container, root, rules)
	if err != nil {
		return nil, err
	}
	keep = slices.DeleteFunc(slices.Clone(keep), func(t lifecycle.Tier) bool {
		return slices.ContainsFunc(rules, func(x lifecycle.Rule) bool { return x.Tier == t })
	})
	fresh := &Rules{doc: r.doc, lang: r.lang}
	for _, raw := range raws {
		fresh.rules = append(fresh.rules, rule{raw: raw})
	}
	if err := fresh.readAll(); err != nil {
		return nil, err
	}
	merged := &Rules{doc: r.doc, lang: r.lang, head: r.head, tail: r.tail}
	var comments []byte // that stood before rules that go
	for i := range r.rules {
		x := r.rules[i]
		tier, own := r.lang.owned(&x, r.doc.Container, root)
		if own && !slices.Contains(keep, tier) {
			same := fresh.find(x)
			if same < 0 {
				if len(bytes.TrimSpace(x.before)) > 0 {
					comments = append(comments, x.before...)
				}
				continue
			}
			if r.lang.canonical(fresh.rules[same].raw) != r.lang.canonical(x.raw) {
				x.raw = fresh.rules[same].raw
			}
			fresh.rules = slices.Delete(fresh.rules, same, same+1)
		}
		x.before, comments = append(comments, x.before...), nil
		merged.rules = append(merged.rules, x)
	}
	merged.rules = append(merged.rules, fresh.rules...)
	merged.tail = append(comments, merged.tail...)
	if n, limit := len(merged.rules), r.lang.limit(); n > limit {
		return nil, fmt.Errorf("%w: %d with %d of other people's, and it takes %d", ErrTooMany, n, n-len(raws), limit)
	}
	return merged, merged.readAll()
}

// find returns the index of the rule that has the place of x: its name, or
// where there are no names its content.
func (r *Rules) find(x rule) int {
	return slices.IndexFunc(r.rules, func(y rule) bool {
		if r.lang.named() {
			return x.name == y.name
		}
		return r.lang.canonical(x.raw) == r.lang.canonical(y.raw)
	})
}

// Render returns the document of a vault's rules alone.
func Render(store lifecycle.Store, container, root string, rules []lifecycle.Rule) (Document, error) {
	none, err := Parse(Document{Store: store, Container: container})
	if err != nil {
		return Document{}, err
	}
	own, err := none.Merge(root, rules)
	if err != nil {
		return Document{}, err
	}
	return own.Document(), nil
}

// Change is one rule that is not the same in two sets of rules.
type Change struct {
	Rule string
	// Was and Is are what it does, a line each; none: it was not there, or is
	// not any more.
	Was, Is []string
}

// Diff lists the rules that differ in a later set; none: both mean the same.
func (r *Rules) Diff(to *Rules) (changes []Change) {
	left := &Rules{lang: to.lang, rules: slices.Clone(to.rules)}
	for i := range r.rules {
		x := &r.rules[i]
		at := left.find(*x)
		if at < 0 {
			changes = append(changes, Change{Rule: x.name, Was: x.does()})
			continue
		}
		if r.lang.canonical(x.raw) != r.lang.canonical(left.rules[at].raw) {
			changes = append(changes, Change{Rule: x.name, Was: x.does(), Is: left.rules[at].does()})
		}
		left.rules = slices.Delete(left.rules, at, at+1)
	}
	for i := range left.rules {
		x := &left.rules[i]
		changes = append(changes, Change{Rule: x.name, Is: x.does()})
	}
	return changes
}

// does says what a rule does, for people.
func (x *rule) does() (lines []string) {
	for i := range x.effects {
		_, text, _ := strings.Cut(x.effects[i].String(), ": ")
		lines = append(lines, text)
	}
	lines = append(lines, x.unknown...)
	if len(lines) == 0 {
		lines = append(lines, "clean up")
	}
	return lines
}

// rootID tells vaults apart that share a bucket.
func rootID(root string) string {
	sum := sha256.Sum256([]byte(root))
	return hex.EncodeToString(sum[:4])
}

// place is a tier's room, or that of canaries.
type place struct {
	tier lifecycle.Tier
	room lifecycle.Room
}

// places are all that rules of ours are for.
func places() (all []place) {
	for _, t := range lifecycle.Tiers() {
		all = append(all, place{t, lifecycle.Catalog}, place{t, lifecycle.Data})
	}
	return append(all, place{lifecycle.Doctor, lifecycle.Canary})
}

// group is the rules of one tier's room.
type group struct {
	tier  lifecycle.Tier
	room  lifecycle.Room
	rules []lifecycle.Rule
}

// groups sorts rules by tier and room, in the order in which they come.
func groups(rules []lifecycle.Rule) (all []*group) {
	for _, r := range rules {
		i := slices.IndexFunc(all, func(g *group) bool { return g.tier == r.Tier && g.room == r.Room })
		if i < 0 {
			i = len(all)
			all = append(all, &group{tier: r.Tier, room: r.Room})
		}
		all[i].rules = append(all[i].rules, r)
	}
	return all
}

// days returns the days of the group's rule of that action.
func (g *group) days(a lifecycle.Action) (int, bool) {
	for _, r := range g.rules {
		if r.Action == a {
			return r.Days, true
		}
	}
	return 0, false
}
