package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// splitJSON cuts a JSON object at the elements of its array of that name.
func splitJSON(body []byte, array string) (head, tail []byte, rules []rule, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := delimiter(d, '{'); err != nil {
		return nil, nil, nil, err
	}
	opened := d.InputOffset()
	others := d.More()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, nil, err
		}
		if key != array {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return nil, nil, nil, err
			}
			continue
		}
		if head != nil {
			return nil, nil, nil, fmt.Errorf("%q is there twice", array)
		}
		if err := delimiter(d, '['); err != nil {
			return nil, nil, nil, err
		}
		head = body[:d.InputOffset()]
		for d.More() {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return nil, nil, nil, err
			}
			rules = append(rules, rule{raw: bytes.Clone(raw)})
		}
		if err := delimiter(d, ']'); err != nil {
			return nil, nil, nil, err
		}
		tail = body[d.InputOffset()-1:]
	}
	if err := delimiter(d, '}'); err != nil {
		return nil, nil, nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, nil, errors.New("something follows its end")
	}
	if head == nil { // there is no array yet
		head = fmt.Appendf(bytes.Clone(body[:opened]), "%q:[", array)
		tail = []byte("]")
		if others {
			tail = append(tail, ',')
		}
		tail = append(tail, body[opened:]...)
	}
	return head, tail, rules, nil
}

func delimiter(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err == nil && token != want {
		err = fmt.Errorf("%v where %v belongs", token, want)
	}
	return err
}

func joinJSON(head, tail []byte, rules []rule) []byte {
	doc := bytes.Clone(head)
	for i, r := range rules {
		if i > 0 {
			doc = append(doc, ',')
		}
		doc = append(doc, r.raw...)
	}
	return append(doc, tail...)
}

// canonicalJSON is the value with its members sorted and without white space.
func canonicalJSON(raw []byte) string {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return string(raw)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return string(raw)
	}
	return string(text)
}

// members decodes an object.
func members(raw json.RawMessage) (m map[string]json.RawMessage, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return m, json.Unmarshal(raw, &m)
}

// wholeDays reads a number of days, of which a broken one does not count yet.
func wholeDays(raw json.RawMessage) (int, error) {
	var days float64
	if err := json.Unmarshal(raw, &days); err != nil {
		return 0, err
	}
	if days < 0 || days > 1e6 {
		return 0, fmt.Errorf("%v are no days", days)
	}
	return int(days), nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
