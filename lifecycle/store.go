package lifecycle

import "time"

// Store is a kind of object store, as far as its lifecycle rules go.
type Store string

// The kinds. NoRules is a store without any, such as a folder: Prune does
// there what rules do elsewhere.
const (
	S3           Store = "s3"            // Amazon's own
	S3Compatible Store = "s3-compatible" // another with its interface
	GCS          Store = "gcs"
	Azure        Store = "azure"
	NoRules      Store = "none"
)

// lag is the days by which the rules of a store are late as a rule of thumb:
// changes of a policy and its runs take a day each on S3 and GCS; a run of
// Azure's may take days.
func (s Store) lag() int {
	if s == Azure {
		return 7
	}
	return 2
}

// Overdue is when an object that a rule removes after so many days should be
// gone, even if the store is as late as it may be.
func (s Store) Overdue(created time.Time, days int) time.Time {
	return s.after(created, days).Add(time.Duration(s.lag()+1) * day)
}

// after returns the earliest instant at which a rule that counts days may act
// on an object. Amazon rounds up to the next midnight UTC; with all others
// nothing may be taken for granted but the days. A rule without days, which
// waits for a date alone, may act at once on what comes after that.
func (s Store) after(created time.Time, days int) time.Time {
	at := created.Add(time.Duration(days) * day)
	if s != S3 || days == 0 {
		return at
	}
	if midnight := at.UTC().Truncate(day); midnight.Before(at) {
		return midnight.Add(day)
	}
	return at
}
