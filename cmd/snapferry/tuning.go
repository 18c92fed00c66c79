package main

import (
	"math"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/snapferry/snapferry/job"
)

// storeOptions are the flags of every command that uses a vault.
type storeOptions struct {
	tries     int
	stall     time.Duration
	bandwidth string
}

func (o *storeOptions) register(c *cobra.Command) {
	c.Flags().IntVar(&o.tries, "retries", 9, "how often a failed request to the store is tried again")
	c.Flags().DurationVar(&o.stall, "stall-timeout", time.Minute, "a transfer that moves no byte for so long is tried again")
	c.Flags().StringVar(&o.bandwidth, "bandwidth", "",
		"most bytes a second of each vault: 20MB, 10MB:off for up and down, or by local time '08:00,512kB 23:00,off' (default no limit)")
}

func (o *storeOptions) tuning() (job.Tuning, error) {
	switch {
	case o.tries < 0:
		return job.Tuning{}, refused("--retries", errNegative, "give 0 for no retry, or a number of them")
	case o.stall <= 0:
		return job.Tuning{}, refused("--stall-timeout", errNegative, "give a time such as 60s or 2m")
	}
	return job.Tuning{Tries: o.tries + 1, StallTimeout: o.stall, Bandwidth: o.bandwidth}, nil
}

// engineOptions are the flags of every command that moves data.
type engineOptions struct {
	storeOptions
	workers   int
	transfers int
	memory    byteSize
	flag      string // what transfers are called
	deadline  string
}

// register adds the flags; transfers is "uploads" or "downloads".
func (o *engineOptions) register(c *cobra.Command, transfers string) {
	o.storeOptions.register(c)
	o.memory.n = job.DefaultMemory
	o.flag = "--" + transfers
	c.Flags().IntVar(&o.workers, "workers", 0, "threads that compress or decompress (default one a core)")
	c.Flags().IntVar(&o.transfers, transfers, 0, transfers+" at the same time of each vault at most (default 8, and up to 32 while that is faster)")
	c.Flags().Var(&o.memory, "max-memory", "memory of the whole process; what does not fit is not begun")
	c.Flags().StringVar(&o.deadline, "deadline", "", "end the run in order after a time such as 2h, or at an instant such as 2026-11-22T06:00:00Z")
}

func (o *engineOptions) tuning() (job.Tuning, error) {
	t, err := o.storeOptions.tuning()
	switch {
	case err != nil:
		return t, err
	case o.workers < 0:
		return t, refused("--workers", errNegative, "give a number of threads, or leave it out")
	case o.transfers < 0:
		return t, refused(o.flag, errNegative, "give a number of transfers, or leave it out")
	}
	t.Workers, t.Transfers, t.MaxMemory = o.workers, o.transfers, o.memory.n
	limitMemory(o.memory.n)
	return t, nil
}

// Memory that the collector does not manage: code, stacks of the system, and
// what the kernel keeps for the process.
const unmanagedMemory = 40 << 20

// collectorPercent lets garbage grow by so much of what lives before it is
// collected: nearly all that lives are pages that are used again and again, so
// little garbage is made, and there is no room for more.
const collectorPercent = 25

// limitMemory keeps the collector within the memory of the process, in bytes.
func limitMemory(n int64) {
	if n <= unmanagedMemory || n == math.MaxInt64 {
		return
	}
	debug.SetMemoryLimit(n - unmanagedMemory)
	debug.SetGCPercent(collectorPercent)
}
