package native

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// s3Language is the XML of S3 and of those that speak like it. Rules have IDs.
type s3Language struct {
	compatible bool // not Amazon's own
}

func (s3Language) limit() int  { return 1000 }
func (s3Language) named() bool { return true }

func (s3Language) empty() (head, tail []byte) {
	return []byte(`<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`), []byte(`</LifecycleConfiguration>`)
}

// split cuts the document at its Rule elements.
func (l s3Language) split(body []byte) (head, tail []byte, rules []rule, err error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	depth, last := 0, 0
	for {
		at := int(d.InputOffset())
		token, err := d.Token()
		if err != nil {
			return nil, nil, nil, errors.Join(errors.New("it ends too early"), err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth == 0 && e.Name.Local != "LifecycleConfiguration" {
				return nil, nil, nil, fmt.Errorf("its root is %s", e.Name.Local)
			}
			if depth == 0 && bytes.HasSuffix(body[at:d.InputOffset()], []byte("/>")) {
				head, tail = l.empty()
				return head, tail, nil, nil
			}
			if depth == 1 && e.Name.Local == "Rule" {
				if err := d.Skip(); err != nil {
					return nil, nil, nil, err
				}
				rules = append(rules, rule{before: body[last:at], raw: body[at:d.InputOffset()]})
				last = int(d.InputOffset())
				continue
			}
			depth++
		case xml.EndElement:
			if depth--; depth > 0 {
				continue
			}
			if len(rules) == 0 {
				return body[:at], body[at:], nil, nil
			}
			head, rules[0].before = rules[0].before, nil
			return head, body[last:], rules, nil
		}
	}
}

func (s3Language) join(head, tail []byte, rules []rule) []byte {
	doc := slices.Clone(head)
	for _, r := range rules {
		doc = append(append(doc, r.before...), r.raw...)
	}
	return append(doc, tail...)
}

// element is any XML.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

func (e *element) child(path ...string) *element {
	for _, name := range path {
		i := slices.IndexFunc(e.Children, func(c element) bool { return c.XMLName.Local == name })
		if i < 0 {
			return nil
		}
		e = &e.Children[i]
	}
	return e
}

func (e *element) text(path ...string) string {
	if c := e.child(path...); c != nil {
		return strings.TrimSpace(c.Text)
	}
	return ""
}

func (s3Language) read(r *rule, _ string) error {
	var x element
	if err := xml.Unmarshal(r.raw, &x); err != nil {
		return err
	}
	if id := x.text("ID"); id != "" {
		r.name = id
	}
	if x.text("Status") == "Disabled" {
		return nil
	}
	prefixes, partial := s3Filter(&x)
	for i := range x.Children {
		c := &x.Children[i]
		e := lifecycle.Effect{Prefixes: prefixes, Partial: partial}
		switch name := c.XMLName.Local; name {
		case "ID", "Status", "Filter", "Prefix", "AbortIncompleteMultipartUpload":
			continue
		case "Expiration":
			if c.text("ExpiredObjectDeleteMarker") == "true" && c.child("Days") == nil && c.child("Date") == nil {
				continue
			}
		case "Transition":
			e.Class = c.text("StorageClass")
		case "NoncurrentVersionExpiration":
			e.Noncurrent = true
		case "NoncurrentVersionTransition":
			e.Noncurrent, e.Class = true, c.text("StorageClass")
		default:
			r.unknown = append(r.unknown, name)
			continue
		}
		if err := s3When(c, &e); err != nil {
			return fmt.Errorf("%s: %w", c.XMLName.Local, err)
		}
		r.effects = append(r.effects, e)
	}
	return nil
}

// s3Filter returns the prefix a rule is for, if any, and whether it has other
// conditions.
func s3Filter(x *element) (prefixes []string, partial bool) {
	filter := x.child("Filter")
	if filter == nil {
		filter = &element{Children: slices.DeleteFunc(slices.Clone(x.Children), func(c element) bool { return c.XMLName.Local != "Prefix" })}
	}
	if and := filter.child("And"); and != nil {
		filter = and
	}
	for _, c := range filter.Children {
		if c.XMLName.Local != "Prefix" {
			partial = true
		} else if c.Text != "" {
			prefixes = []string{c.Text}
		}
	}
	return prefixes, partial
}

// s3When reads after how many days, or when, an action happens. Without either
// it may happen at once.
func s3When(c *element, e *lifecycle.Effect) (err error) {
	if text := c.text("Days") + c.text("NoncurrentDays"); text != "" {
		if e.Days, err = strconv.Atoi(text); err != nil || e.Days < 0 {
			return fmt.Errorf("%q are no days", text)
		}
	}
	if text := c.text("Date"); text != "" {
		if e.NotBefore, err = time.Parse(time.RFC3339, text); err != nil {
			return err
		}
	}
	return nil
}

func (s3Language) owned(r *rule, _, root string) (lifecycle.Tier, bool) {
	rest, ok := strings.CutPrefix(r.name, "snapferry."+rootID(root)+".")
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, ".")
	for _, p := range places() {
		if name == string(p.tier) {
			return p.tier, true
		}
	}
	return "", false
}

// The XML of our rules.
type (
	s3Rule struct {
		XMLName    xml.Name      `xml:"Rule"`
		ID         string        `xml:"ID"`
		Prefix     string        `xml:"Filter>Prefix"`
		Status     string        `xml:"Status"`
		Transition *s3Transition `xml:"Transition"`
		Expiration *s3Expiration `xml:"Expiration"`
		Noncurrent *s3Noncurrent `xml:"NoncurrentVersionExpiration"`
		Abort      *s3Abort      `xml:"AbortIncompleteMultipartUpload"`
	}
	s3Transition struct {
		Days         int    `xml:"Days"`
		StorageClass string `xml:"StorageClass"`
	}
	s3Expiration struct {
		Days    int  `xml:"Days,omitempty"`
		Markers bool `xml:"ExpiredObjectDeleteMarker,omitempty"`
	}
	s3Noncurrent struct {
		Days int `xml:"NoncurrentDays"`
	}
	s3Abort struct {
		Days int `xml:"DaysAfterInitiation"`
	}
)

func (s3Language) write(_, root string, rules []lifecycle.Rule) (raws [][]byte, err error) {
	for _, g := range groups(rules) {
		for _, r := range s3Rules(root, g) {
			raw, err := xml.Marshal(r)
			if err != nil {
				return nil, err
			}
			raws = append(raws, raw)
		}
	}
	return raws, nil
}

// s3Rules are the rules of a tier's room. Delete markers need a rule of their
// own: S3 takes no days beside them.
func s3Rules(root string, g *group) []s3Rule {
	r := s3Rule{ID: fmt.Sprintf("snapferry.%s.%s.%s", rootID(root), g.tier, g.room), Prefix: lifecycle.Prefix(root, g.tier, g.room), Status: "Enabled"}
	markers := r
	for _, x := range g.rules {
		switch x.Action {
		case lifecycle.Expire:
			r.Expiration = &s3Expiration{Days: x.Days}
		case lifecycle.ExpireNoncurrent:
			r.Noncurrent = &s3Noncurrent{x.Days}
		case lifecycle.AbortUploads:
			r.Abort = &s3Abort{x.Days}
		case lifecycle.Transition:
			r.Transition = &s3Transition{x.Days, x.Class}
		case lifecycle.RemoveMarkers:
			markers.ID += ".markers"
			markers.Expiration = &s3Expiration{Markers: true}
		}
	}
	if markers.Expiration == nil {
		return []s3Rule{r}
	}
	return []s3Rule{r, markers}
}

// canonical is the XML without white space, names without their space,
// children in the order of their names: stores give rules back in their own. Of
// stores other than Amazon's it has no AbortIncompleteMultipartUpload: MinIO
// takes it and drops it, since it gives up uploads by itself.
func (l s3Language) canonical(raw []byte) string {
	var x element
	if err := xml.NewDecoder(bytes.NewReader(raw)).Decode(&x); err != nil && !errors.Is(err, io.EOF) {
		return string(raw)
	}
	if l.compatible {
		x.Children = slices.DeleteFunc(x.Children, func(c element) bool { return c.XMLName.Local == "AbortIncompleteMultipartUpload" })
	}
	return x.canonical()
}

func (e *element) canonical() string {
	parts := make([]string, 0, len(e.Children))
	for i := range e.Children {
		parts = append(parts, e.Children[i].canonical())
	}
	slices.Sort(parts)
	text := e.Text
	if len(parts) > 0 || e.XMLName.Local != "Prefix" {
		text = strings.TrimSpace(text)
	}
	return fmt.Sprintf("<%s>%q%s</>", e.XMLName.Local, text, strings.Join(parts, ""))
}
