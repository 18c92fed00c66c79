package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/snapferry/snapferry/archive"
)

// DoctorRequest says what is examined.
type DoctorRequest struct {
	Vaults []Vault // at least one, if there is no source
	// Source, if it is one of Neo4j, is looked at, too.
	Source string
	// NoSpeed leaves out the measuring of rates, which moves some megabytes.
	NoSpeed bool
}

// Verdict is what a check came to.
type Verdict string

// The verdicts, from the best to the worst. Unknown says that nobody could
// tell, and counts as neither good nor bad.
const (
	Green   Verdict = "green"
	Unknown Verdict = "unknown"
	Yellow  Verdict = "yellow" // it works, and should be better
	Red     Verdict = "red"    // backups would fail or not be safe
)

func (v Verdict) rank() int { return slices.Index([]Verdict{Green, Unknown, Yellow, Red}, v) }

// DoctorReport is the result of Runner.Doctor.
type DoctorReport struct {
	Verdict Verdict       `json:"verdict"` // the worst of all checks, unknown ones left out
	Machine []Check       `json:"machine"`
	Source  []Check       `json:"source,omitempty"` // of Neo4j
	Vaults  []VaultHealth `json:"vaults"`
}

// VaultHealth is what was found out about one vault.
type VaultHealth struct {
	Name    string  `json:"name,omitempty"` // as the configuration calls it
	Vault   string  `json:"vault"`          // URL without credentials
	Verdict Verdict `json:"verdict"`        // the worst of its checks, unknown ones left out
	Checks  []Check `json:"checks"`
	// Left are the keys that could not be removed again.
	Left         []string `json:"left,omitempty"`
	UploadRate   float64  `json:"upload_bytes_per_second,omitempty"`
	DownloadRate float64  `json:"download_bytes_per_second,omitempty"`
}

// Check is one thing that was looked at.
type Check struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	Hint    string  `json:"hint,omitempty"`
	// Policy is ready to paste where the hint says so.
	Policy string `json:"policy,omitempty"`
}

// Doctor tries whether backups into the vaults would work and be safe. It
// stores canaries below PREFIX/doctor, which no listing of backups looks at,
// and removes what it can of them. The report is complete also with an error,
// which is of the class Failed if a check is red, else Partial if one is
// yellow.
func (r *Runner) Doctor(ctx context.Context, req DoctorRequest) (*DoctorReport, error) {
	if len(req.Vaults) == 0 && req.Source == "" {
		return nil, usage("doctor", errors.New("no vault is named"), "give a path, or a URL such as s3://BUCKET/PREFIX?region=REGION")
	}
	report := &DoctorReport{Machine: []Check{r.newSession().checkMemory(os.DirFS("/"))}, Vaults: []VaultHealth{}}
	var err error
	if report.Source, err = r.newSession().examineSource(ctx, req.Source); err != nil {
		return nil, err
	}
	for _, v := range req.Vaults {
		health, err := r.newSession().examine(ctx, v, req.NoSpeed)
		if err != nil {
			return nil, err
		}
		report.Vaults = append(report.Vaults, *health)
	}
	return report, report.conclude()
}

// conclude sums up, and returns what is wrong.
func (r *DoctorReport) conclude() error {
	all := slices.Concat(r.Machine, r.Source)
	for i := range r.Vaults {
		r.Vaults[i].Verdict = worst(r.Vaults[i].Checks)
		all = append(all, r.Vaults[i].Checks...)
	}
	r.Verdict = worst(all)
	if r.Verdict == Green {
		return nil
	}
	var names []string
	hint := ""
	for _, c := range all {
		if c.Verdict != r.Verdict {
			continue
		}
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
		if hint == "" {
			hint = c.Hint
		}
	}
	cause := ErrDoubtful
	if r.Verdict == Red {
		cause = ErrUnfit
	}
	return &Error{Op: "examine", Name: r.names(), Err: fmt.Errorf("%w: %s", cause, strings.Join(names, ", ")), Hint: hint}
}

func (r *DoctorReport) names() string {
	names := make([]string, len(r.Vaults))
	for i, v := range r.Vaults {
		names[i] = v.Vault
	}
	return strings.Join(names, ", ")
}

func worst(checks []Check) Verdict {
	verdict := Green
	for _, c := range checks {
		if c.Verdict != Unknown && c.Verdict.rank() > verdict.rank() {
			verdict = c.Verdict
		}
	}
	return verdict
}

// checkMemory compares what the process may take with what there is. root is
// that of the file system.
func (s *session) checkMemory(root fs.FS) Check {
	budget := s.Tuning.MaxMemory
	if budget == 0 {
		budget = archive.DefaultMemory
	}
	m, ok := readMemory(root)
	text := fmt.Sprintf("%s of %s are free, --max-memory is %s", mebibytes(m.free), mebibytes(m.total), mebibytes(budget))
	c := Check{Name: "memory", Verdict: Green, Detail: text}
	switch {
	case !ok:
		return Check{Name: "memory", Verdict: Unknown, Detail: "this system does not tell"}
	case m.total < budget:
		c.Verdict, c.Hint = Red, "the system would end the process: give it more memory, or lower --max-memory"
	case m.free < budget:
		c.Verdict, c.Hint = Yellow, "end what else takes memory, or lower --max-memory"
	}
	return c
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
