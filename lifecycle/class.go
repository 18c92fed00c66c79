package lifecycle

import "strings"

// minimumDays are the days for which a store charges an object of a class, if
// it goes earlier, too: the vendors' price lists of 2026.
func minimumDays(s Store, class string) int {
	days := map[Store]map[string]int{
		S3:    {"STANDARD_IA": 30, "ONEZONE_IA": 30, "GLACIER_IR": 90, "GLACIER": 90, "DEEP_ARCHIVE": 180},
		GCS:   {"NEARLINE": 30, "COLDLINE": 90, "ARCHIVE": 365},
		Azure: {"COOL": 30, "COLD": 90, "ARCHIVE": 180},
	}
	if s == S3Compatible {
		s = S3
	}
	return days[s][strings.ToUpper(class)]
}

// Frozen reports whether objects of a class must be thawed before they can be
// read.
func (s Store) Frozen(class string) bool {
	switch class = strings.ToUpper(class); s {
	case S3, S3Compatible:
		return class == "GLACIER" || class == "DEEP_ARCHIVE"
	case Azure:
		return class == "ARCHIVE"
	case GCS, NoRules:
	}
	return false
}

// Charge is a move to a storage class that costs more than it says: the data
// goes before the days that are charged in any case.
type Charge struct {
	Tier    Tier
	Class   string
	Stays   int // days in the class
	Charged int // days that are paid
}

// Charges returns the moves of the policy that are charged for longer than the
// data stays.
func (p Policy) Charges(s Store) (all []Charge) {
	for _, t := range kinds() {
		move := p.Keep(t).Move
		life, ok := p.DataDays(t, s)
		if move.Days == 0 || !ok {
			continue
		}
		if least := minimumDays(s, move.Class); life-move.Days < least {
			all = append(all, Charge{Tier: t, Class: move.Class, Stays: life - move.Days, Charged: least})
		}
	}
	return all
}
