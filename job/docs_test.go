package job_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/testenv"
	"github.com/snapferry/snapferry/job"
)

// What docs/json.md promises is what is printed: the same fields, in the same
// order, with the same types, optional where they may be missing.
func TestDocumentedFields(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.RepoRoot(t), "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, report := range []any{
		job.Backup{}, job.BackupReport{}, job.MemberReport{}, job.VaultReport{}, job.CopyReport{}, job.ListReport{}, job.ShowReport{}, job.HoldReport{}, job.InspectReport{}, job.Artifact{}, job.ArtifactChain{}, job.ThawReport{}, job.VerifyReport{}, job.RestoreReport{}, job.Seed{}, job.FinishReport{}, job.DrillReport{}, job.RecoverReport{}, job.CleanupReport{}, job.LeftSnapshot{}, job.Drilled{}, job.DrillStep{}, job.DrillGraph{}, job.Answer{},
		job.BenchReport{}, job.Source{}, job.Image{}, job.Run{}, job.Damage{}, job.Measurement{}, job.Lock{}, job.DoctorReport{}, job.VaultHealth{}, job.Check{},
		job.RewrapReport{}, job.Rewrapped{}, job.Encryption{}, job.Signature{},
		job.PruneReport{}, job.PruneResult{}, job.PlanReport{}, job.RuleChange{}, job.Loss{}, job.LifecycleReport{}, job.SeriesLife{}, job.SimulateReport{}, job.RestorePoint{}, job.SimulatedDay{}, job.RestorePointsOfDay{},
	} {
		kind := reflect.TypeOf(report)
		_, section, found := strings.Cut(string(text), "\n## "+kind.Name()+"\n")
		if !found {
			t.Errorf("%s is not documented", kind.Name())
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		var documented []string
		for line := range strings.Lines(section) {
			if cells := strings.Split(line, "|"); len(cells) == 5 && strings.Contains(cells[1], "`") {
				documented = append(documented, strings.Trim(cells[1], " `")+": "+strings.TrimSpace(cells[2]))
			}
		}
		fields, embedded := fieldsOf(kind)
		if !slices.Equal(documented, fields) {
			t.Errorf("%s:\ndocumented %q\nprinted    %q", kind.Name(), documented, fields)
		}
		for _, name := range embedded {
			if !strings.Contains(section, "["+name+"](#"+strings.ToLower(name)+")") {
				t.Errorf("%s does not say that it has the fields of %s", kind.Name(), name)
			}
		}
	}
}

func fieldsOf(kind reflect.Type) (fields, embedded []string) {
	for f := range reflect.VisibleFields(kind) {
		field := reflect.VisibleFields(kind)[f]
		if len(field.Index) > 1 {
			continue
		}
		if field.Anonymous {
			embedded = append(embedded, field.Name)
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		text := name + ": " + typeText(field.Type)
		if options == "omitempty" {
			text += ", optional"
		}
		fields = append(fields, text)
	}
	return fields, embedded
}

func typeText(kind reflect.Type) string {
	switch kind.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "number"
	case reflect.Pointer:
		return typeText(kind.Elem())
	case reflect.Map:
		return "object of " + typeText(kind.Elem()) + "s"
	case reflect.Slice:
		switch elem := typeText(kind.Elem()); elem {
		case "string", "number", "instant":
			return "array of " + elem + "s"
		default:
			return "array of " + elem
		}
	}
	if kind.Name() == "Time" {
		return "instant"
	}
	return "[" + kind.Name() + "](#" + strings.ToLower(kind.Name()) + ")"
}
