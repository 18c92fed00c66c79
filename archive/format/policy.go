package format

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
)

// Policy is a policy object: what the vault keeps from then on. The one with
// the highest number counts, so that two hosts cannot disagree.
type Policy struct {
	Format  int       `json:"format"`
	Number  int       `json:"number"`  // as in its name, from 1
	Time    time.Time `json:"time"`    // of the writer, UTC
	Program string    `json:"program"` // name and version of the writer
	// Keep has a member for each kind of period that is kept.
	Keep map[string]PolicyKeep `json:"keep"`
	Zone string                `json:"zone"`          // of the IANA database
	Days PolicyDays            `json:"days"`          // of 24 hours
	Tag  string                `json:"tag,omitempty"` // in signed vaults: see SealTagged
}

// PolicyKeep is how many periods of a kind are kept.
type PolicyKeep struct {
	Count int    `json:"count"` // beside the current one
	Slack int    `json:"slack"` // further ones, for those without a success
	Move  int    `json:"move_days,omitempty"`
	Class string `json:"move_class,omitempty"` // storage class that data moves to after those days
}

// PolicyDays are the other times of a policy.
type PolicyDays struct {
	MaxChain  int     `json:"max_chain"`  // from a full backup to the last differential of it
	MaxUpload float64 `json:"max_upload"` // from the first object of a backup to its manifest
	Undo      int     `json:"undo"`       // that older versions stay
	Restore   int     `json:"restore"`    // of the longest restore
}

// PolicyFolder is where policy objects stand, below the prefix of the vault.
const PolicyFolder = "policy/"

const policyDigits = 8

// PolicyFile returns the name of the n-th policy object.
func PolicyFile(n int) string { return fmt.Sprintf("%0*d.json", policyDigits, n) }

// ParsePolicyFile reads the number of PolicyFile, from 1.
func ParsePolicyFile(s string) (n int, ok bool) {
	digits, ok := strings.CutSuffix(s, ".json")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 1 && PolicyFile(n) == s
}

const dayHours = 24

// NewPolicy is the document of a policy.
func NewPolicy(p lifecycle.Policy) *Policy {
	d := &Policy{Format: FormatVersion, Keep: map[string]PolicyKeep{}, Zone: "UTC", Days: PolicyDays{MaxChain: p.MaxChain,
		MaxUpload: p.UploadLimit().Hours() / dayHours, Undo: p.UndoDays(), Restore: max(p.Restore, 1)}}
	if p.Zone != nil {
		d.Zone = p.Zone.String()
	}
	for _, t := range lifecycle.Tiers() {
		if k := p.Keep(t); k.Count > 0 {
			d.Keep[string(t)] = PolicyKeep{Count: k.Count, Slack: k.Slack, Move: k.Move.Days, Class: k.Move.Class}
		}
	}
	return d
}

// maxPolicy bounds every number of a policy.
const maxPolicy = 100_000

// between reports whether a number of a policy is not below least nor beyond
// all use.
func between(n, least int) bool { return n >= least && n <= maxPolicy }

func (k PolicyKeep) sane() bool {
	return between(k.Count, 1) && between(k.Slack, 0) && between(k.Move, 0) && (k.Move == 0) == (k.Class == "")
}

func (d PolicyDays) sane() bool {
	return between(d.MaxChain, 0) && between(d.Undo, 1) && between(d.Restore, 1) && d.MaxUpload > 0 && d.MaxUpload <= maxPolicy
}

// Lifecycle returns the policy, or why the document is none.
func (d *Policy) Lifecycle() (p lifecycle.Policy, err error) {
	if d.Format < 1 || d.Format > FormatVersion {
		return p, fmt.Errorf("format version %d: this program reads up to %d", d.Format, FormatVersion)
	}
	if p.Zone, err = time.LoadLocation(d.Zone); err != nil || d.Zone == "Local" {
		return p, fmt.Errorf("zone %q is unknown", d.Zone)
	}
	for name, k := range d.Keep {
		into := p.At(lifecycle.Tier(name))
		if into == nil || !k.sane() {
			return p, fmt.Errorf("it keeps %+v of %q", k, name)
		}
		*into = lifecycle.Keep{Count: k.Count, Slack: k.Slack, Move: lifecycle.Move{Days: k.Move, Class: k.Class}}
	}
	days := d.Days
	if !days.sane() {
		return p, fmt.Errorf("its days are %+v", days)
	}
	p.MaxChain, p.Undo, p.Restore = days.MaxChain, days.Undo, days.Restore
	p.MaxUpload = time.Duration(days.MaxUpload * dayHours * float64(time.Hour)).Round(time.Second)
	if p.IsZero() {
		return p, errors.New("it keeps nothing")
	}
	return p, nil
}
