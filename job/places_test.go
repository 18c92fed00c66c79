package job_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/job"
)

// Vaults are apart if neither holds the other; spellings do not matter.
func TestCheckApart(t *testing.T) {
	abs, err := filepath.Abs("backups")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ first, second, want string }{
		{"s3://b/prod?region=x", "s3://b/test?region=x", ""},
		{"s3://b/prod", "s3://b/production", ""},
		{"s3://b/prod", "s3://c/prod", ""},
		{"s3://b/prod", "gs://b/prod", ""},
		{"s3://b/prod?region=x", "s3://b/prod?region=y", ""},
		{"s3://b/prod?endpoint=https://h:9000/", "s3://b/prod?endpoint=H:9000", ""},
		{"s3://b/prod?endpoint=h:9000", "s3://b/prod?endpoint=h:9001", ""},
		{"s3://b/prod", "s3://b/prod/x", "lies within s3://b/prod"},
		{"s3://b/prod/x/y", "s3://b/prod", "s3://b/prod/x/y lies within it"},
		{"s3://b", "s3://b/prod", "lies within"},
		{"azblob://c/p?storage_account=one", "azblob://c/p?storage_account=two", ""},
		{"azblob://c/p?storage_account=one", "azblob://c/p/?storage_account=one", ""},
		{"backups", abs, ""},
		{"backups/", "file://" + abs, ""},
		{"backups", "./backups/graph", "lies within"},
		{"backups", "backups2", ""},
	} {
		err := job.CheckApart(c.first, c.second)
		if c.want == "" && err == nil {
			continue
		}
		if c.want == "" || err == nil || !strings.Contains(err.Error(), c.want) || job.Classify(err) != job.Usage || job.Hint(err) == "" {
			t.Errorf("%s and %s: %v, want %q", c.first, c.second, err, c.want)
		}
	}
}
