package providers

import (
	"context"

	"github.com/snapferry/snapferry/lifecycle"
)

// RulesDocument is the lifecycle configuration of a store, as it keeps it.
type RulesDocument struct {
	Store lifecycle.Store
	// Scope is what the rules are of, for people: "bucket acme", "storage
	// account acme".
	Scope string
	// Container is what the store writes before keys in its rules, with a slash
	// between; only Azure does.
	Container string
	// Body is the document in the store's own language, byte for byte: XML of
	// S3, the JSON of the bucket's "lifecycle" of GCS, the JSON of the
	// management policy of Azure. Nil: there are no rules.
	Body []byte
	// Header is what a store keeps beside the document and forgets unless it is
	// sent again with it: on S3 x-amz-transition-default-minimum-object-size,
	// which says what the smallest object is that rules move to another class.
	// Empty where there is none.
	Header string
	// Version is what the store needs to refuse a write that would undo another
	// one; empty where it has no such thing.
	Version string
}

// Ruler is a store that runs lifecycle rules.
type Ruler interface {
	// Rules reads all of them, other people's as well. No rules are no error.
	// ErrUnsupported: the store has none at all, or says so.
	Rules(ctx context.Context) (RulesDocument, error)
	// SetRules replaces all of them by what doc holds. If doc has a Version,
	// and the rules are not those of that version any more, it is ErrChanged
	// and nothing happens. S3 and Azure have no conditional write: there,
	// whoever writes last wins, and only reading again tells.
	SetRules(ctx context.Context, doc RulesDocument) error
}
