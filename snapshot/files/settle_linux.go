package files

import "golang.org/x/sys/unix"

// settle waits until the clock that stamps files has moved past the newest
// change that a capture saw. A file system may give two changes within one
// tick of that clock, 1 to 10 ms, the same time; once the tick is over, every
// later change is seen by Check, and all reads come later. Times further ahead
// come from another clock, and no waiting helps.
func settle(newest timestamp) {
	const tick = 10_000_000
	for {
		var now unix.Timespec
		if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now) != nil {
			return
		}
		ahead := newest.sec - int64(now.Sec) //nolint:unconvert // 32 bits on some systems
		if ahead < -1 || ahead > 1 {
			return
		}
		ns := ahead*1_000_000_000 + newest.nsec - int64(now.Nsec) //nolint:unconvert // 32 bits on some systems
		if ns < 0 || ns > 2*tick {
			return
		}
		_ = unix.Nanosleep(&unix.Timespec{Nsec: 1_000_000}, nil)
	}
}
