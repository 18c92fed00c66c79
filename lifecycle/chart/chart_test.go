package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/chart"
)

func TestChart(t *testing.T) {
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 7}, Monthly: lifecycle.Keep{Count: 3}}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var runs []lifecycle.Run
	for i := range 200 {
		runs = append(runs, lifecycle.Run{Time: from.Add(time.Duration(24*i+3) * time.Hour), Failed: i%50 == 49})
	}
	c := chart.Chart{Title: "a < b & c", From: from, To: from.AddDate(0, 0, 200), History: p.Simulate(lifecycle.S3, runs), On: from.AddDate(0, 0, 100)}
	var out bytes.Buffer
	if err := c.Write(&out); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v", err)
		}
	}
	text := out.String()
	for want, n := range map[string]int{
		`<g class="daily">`:   189, // 196 runs succeeded, seven of them the first of a month
		`<g class="monthly">`: 7,
		`class="fail"`:        4,
		"the run failed":      4,
		"a &lt; b &amp; c":    2,
		">2026-04-11: 11<":    1, // the firsts of four months and seven days; the tenth failed
	} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%q is there %d times, want %d", want, got, n)
		}
	}
	if again := new(bytes.Buffer); c.Write(again) != nil || again.String() != text {
		t.Error("it is not drawn twice alike")
	}
	empty := chart.Chart{Title: "none", From: from, To: from.AddDate(0, 0, 1)}
	if err := empty.Write(io.Discard); err != nil {
		t.Error(err)
	}
}
