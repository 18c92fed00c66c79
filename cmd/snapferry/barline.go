package main

import (
	"sync"

	"github.com/snapferry/snapferry/job"
)

// barLine hands the text around the bar from who measures to who draws.
type barLine struct {
	mu   sync.Mutex
	text barText
}

type barText struct{ before, after string }

func (l *barLine) set(m meter, s job.Status) {
	before, after := m.text(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = barText{before, after}
}

func (l *barLine) get() barText {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}
