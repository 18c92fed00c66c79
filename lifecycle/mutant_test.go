package lifecycle_test

import "testing"

// A mutant is the program with one mistake. Every one of them must be caught.
type mutant string

const (
	none            mutant = "none"
	manifestAlone   mutant = "listing by manifest alone"
	noWriteGuard    mutant = "no guard before a differential"
	oneDayShort     mutant = "rules one day short"
	noMaximum       mutant = "no maximum over lower tiers"
	chainIgnored    mutant = "floors and guards without the chain"
	lateCommit      mutant = "late commit allowed"
	manifestClock   mutant = "floor by the manifest's time"
	promotedLate    mutant = "promotion by the manifest's time"
	foreignIgnored  mutant = "foreign rules one prefix too high ignored"
	seriesShared    mutant = "promotions shared by two series"
	hostClock       mutant = "promotion by the host's clock"
	historyIgnored  mutant = "replaced rules forgotten"
	failureCounts   mutant = "a run that failed takes its period"
	periodsInUTC    mutant = "periods in UTC"
	catalogLikeData mutant = "data removed with its catalog"
	twinsDefer      mutant = "a second host leaves the period to the first, which may fail"
	resumedAnew     mutant = "a resumed run is promised anew, by the time it goes on"
	captureAnew     mutant = "a resumed run writes capture.json anew"
	shardsShared    mutant = "all series of a run get the promise of the first"
	vaultsShared    mutant = "all vaults get the promise of the first"
	copyIsNew       mutant = "a copy stands for the periods it was made in"
	copyKeepsAll    mutant = "a copy keeps promise and age of its source"
	tierPromotes    mutant = "a copy stands for more than its tier holds"
	keptAlone       mutant = "no rules for tiers of which nothing is kept"
	rulesTooWide    mutant = "rules for more than their prefix"
)

func mutants() []mutant {
	return []mutant{manifestAlone, noWriteGuard, oneDayShort, noMaximum, chainIgnored, lateCommit, manifestClock, promotedLate,
		foreignIgnored, seriesShared, hostClock, historyIgnored, failureCounts, periodsInUTC, catalogLikeData, twinsDefer, resumedAnew,
		captureAnew, shardsShared, vaultsShared, copyIsNew, copyKeepsAll, tierPromotes, keptAlone, rulesTooWide}
}

// Each mistake shows, so the worlds are wide enough to tell.
func TestMutants(t *testing.T) {
	const worlds = 2_000
	for _, bug := range mutants() {
		t.Run(string(bug), func(t *testing.T) {
			t.Parallel()
			for seed := range worlds {
				if bad := newWorld(t, fromSeed(uint64(seed)), bug).check(); bad != "" {
					t.Logf("caught in world %d: %s", seed, bad)
					return
				}
			}
			t.Errorf("not caught in %d worlds", worlds)
		})
	}
}
