package lifecycle_test

import (
	"testing"

	"github.com/snapferry/snapferry/lifecycle"
)

func TestCharges(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 30, Move: lifecycle.Move{Days: 7, Class: "STANDARD_IA"}},
		Monthly: lifecycle.Keep{Count: 12, Move: lifecycle.Move{Days: 30, Class: "GLACIER_IR"}}}
	// Dailies live 31 days, their data 4 more: 28 in the class, of 30 charged.
	got := p.Charges(lifecycle.S3)
	if len(got) != 1 || got[0] != (lifecycle.Charge{Tier: lifecycle.Daily, Class: "STANDARD_IA", Stays: 28, Charged: 30}) {
		t.Errorf("%+v", got)
	}
	p.Daily.Move.Days = 3
	if got := p.Charges(lifecycle.S3Compatible); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	p = lifecycle.Policy{Monthly: lifecycle.Keep{Count: 5, Move: lifecycle.Move{Days: 30, Class: "archive"}}}
	if got := p.Charges(lifecycle.GCS); len(got) != 1 || got[0].Charged != 365 {
		t.Errorf("%+v", got)
	}
	if got := p.Charges(lifecycle.Azure); len(got) != 1 || got[0].Charged != 180 {
		t.Errorf("%+v", got)
	}
}

func TestFrozen(t *testing.T) {
	for class, frozen := range map[string]bool{"GLACIER": true, "DEEP_ARCHIVE": true, "GLACIER_IR": false, "STANDARD": false, "": false} {
		if lifecycle.S3.Frozen(class) != frozen || lifecycle.S3Compatible.Frozen(class) != frozen || lifecycle.GCS.Frozen(class) {
			t.Errorf("%q", class)
		}
	}
	if !lifecycle.Azure.Frozen("Archive") || lifecycle.Azure.Frozen("Cold") || lifecycle.GCS.Frozen("ARCHIVE") {
		t.Error("Azure's Archive alone is frozen; Google's is read at once")
	}
}
