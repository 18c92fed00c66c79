package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// gcsLanguage is the JSON of Google Cloud Storage. Rules have no names.
type gcsLanguage struct{}

func (gcsLanguage) limit() int                  { return 100 }
func (gcsLanguage) named() bool                 { return false }
func (gcsLanguage) canonical(raw []byte) string { return canonicalJSON(raw) }
func (gcsLanguage) empty() (head, tail []byte)  { return []byte(`{"rule":[`), []byte(`]}`) }

func (gcsLanguage) split(body []byte) (head, tail []byte, rules []rule, err error) {
	return splitJSON(body, "rule")
}

func (gcsLanguage) join(head, tail []byte, rules []rule) []byte { return joinJSON(head, tail, rules) }

// gcsRead is a rule as far as its outer members go.
type gcsRead struct {
	Action struct {
		Type         string `json:"type"`
		StorageClass string `json:"storageClass"`
	} `json:"action"`
	Condition json.RawMessage `json:"condition"`
}

func (gcsLanguage) read(r *rule, _ string) error {
	var x gcsRead
	if err := json.Unmarshal(r.raw, &x); err != nil {
		return err
	}
	var e lifecycle.Effect
	switch x.Action.Type {
	case "Delete":
	case "SetStorageClass":
		if e.Class = x.Action.StorageClass; e.Class == "" {
			return errors.New("SetStorageClass without a class")
		}
	case "AbortIncompleteMultipartUpload":
		return nil
	default:
		r.unknown = append(r.unknown, x.Action.Type)
		return nil
	}
	conditions, err := members(x.Condition)
	if err != nil {
		return err
	}
	for name, value := range conditions {
		if string(value) == "null" {
			continue
		}
		if err := gcsCondition(&e, name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if e.Noncurrent { // the days from when the object became an older version, not from its creation
		e.Days = 0
		if since, ok := conditions["daysSinceNoncurrentTime"]; ok {
			e.Days, err = wholeDays(since)
		}
	}
	r.effects = append(r.effects, e)
	return err
}

// gcsCondition adds a condition; all of a rule's must be met.
func gcsCondition(e *lifecycle.Effect, name string, value json.RawMessage) (err error) {
	switch name {
	case "age":
		e.Days, err = wholeDays(value)
	case "createdBefore":
		var date string
		if err := json.Unmarshal(value, &date); err != nil {
			return err
		}
		e.CreatedBefore, err = time.Parse(time.DateOnly, date)
	case "isLive":
		var live bool
		err = json.Unmarshal(value, &live)
		e.Noncurrent = e.Noncurrent || !live
	case "numNewerVersions":
		var n float64
		err = json.Unmarshal(value, &n)
		e.Noncurrent = e.Noncurrent || n > 0
	case "daysSinceNoncurrentTime", "noncurrentTimeBefore":
		e.Noncurrent = true
	case "matchesPrefix":
		err = json.Unmarshal(value, &e.Prefixes)
		if slices.Contains(e.Prefixes, "") {
			e.Prefixes = nil
		}
	default:
		e.Partial = true
	}
	return err
}

// owned: every prefix of the rule is one of ours to the letter, whoever wrote
// it.
func (gcsLanguage) owned(r *rule, _, root string) (owner lifecycle.Tier, own bool) {
	var x struct {
		Condition struct {
			Prefixes []string `json:"matchesPrefix"`
		} `json:"condition"`
	}
	if json.Unmarshal(r.raw, &x) != nil {
		return "", false
	}
	for _, p := range x.Condition.Prefixes {
		tier, ok := roomAt(root, p)
		if !ok {
			return "", false
		}
		owner, own = tier, true
	}
	return owner, own
}

// roomAt returns the tier of which prefix is a room.
func roomAt(root, prefix string) (lifecycle.Tier, bool) {
	for _, p := range places() {
		if prefix == lifecycle.Prefix(root, p.tier, p.room) {
			return p.tier, true
		}
	}
	return "", false
}

// The JSON of our rules.
type (
	gcsRule struct {
		Action    gcsAction      `json:"action"`
		Condition map[string]any `json:"condition"`
	}
	gcsAction struct {
		Type         string `json:"type"`
		StorageClass string `json:"storageClass,omitempty"`
	}
)

func (gcsLanguage) write(_, root string, rules []lifecycle.Rule) (raws [][]byte, err error) {
	for _, r := range gcsRules(root, rules) {
		raw, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		raws = append(raws, raw)
	}
	return raws, nil
}

// gcsRules are our rules. There are no delete markers to remove.
func gcsRules(root string, rules []lifecycle.Rule) (all []gcsRule) {
	for _, r := range rules {
		x := gcsRule{Action: gcsAction{Type: "Delete"}, Condition: map[string]any{"matchesPrefix": []string{lifecycle.Prefix(root, r.Tier, r.Room)}}}
		switch r.Action {
		case lifecycle.Expire:
			x.Condition["age"], x.Condition["isLive"] = r.Days, true
		case lifecycle.ExpireNoncurrent:
			x.Condition["daysSinceNoncurrentTime"] = r.Days
		case lifecycle.Transition:
			x.Action = gcsAction{"SetStorageClass", r.Class}
			x.Condition["age"], x.Condition["isLive"] = r.Days, true
		case lifecycle.AbortUploads:
			x.Action.Type, x.Condition["age"] = "AbortIncompleteMultipartUpload", r.Days
		case lifecycle.RemoveMarkers:
			continue
		}
		all = append(all, x)
	}
	return all
}
