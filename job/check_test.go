package job_test

import (
	"strings"
	"testing"

	"github.com/snapferry/snapferry/job"
)

// What is refused before anything is reached for is a usage error, and its
// text holds no credentials.
func TestChecks(t *testing.T) {
	for _, c := range []struct {
		check   func(string) error
		in      string
		problem string
	}{
		{job.CheckVault, "/mnt/backups", ""},
		{job.CheckVault, "file:///mnt/backups", ""},
		{job.CheckVault, "s3://bucket/prefix?region=eu-west-1", ""},
		{job.CheckVault, "", "is empty"},
		{job.CheckVault, "s4://bucket", "unknown scheme"},
		{job.CheckVault, "s3:bucket", "slashes"},
		{job.CheckVault, "s3://key:planted@bucket", "credentials"},
		{job.CheckSource, "/data", ""},
		{job.CheckSource, "-", ""},
		{job.CheckSource, "neo4j+dump:///neo4j?home=/opt/neo4j", ""},
		{job.CheckSource, "", "is empty"},
		{job.CheckSource, "s3://bucket", "not a source"},
		{job.CheckSource, "ebs://eu-west-1/vol-1", "does not have"},
		{job.CheckSource, "mysql://me:planted@host/db", "unknown scheme"},
		{job.CheckSeries, "graph", ""},
		{job.CheckSeries, "Graph", "Graph"},
	} {
		err := c.check(c.in)
		if c.problem == "" {
			if err != nil {
				t.Errorf("%q: %v", c.in, err)
			}
			continue
		}
		if job.Classify(err) != job.Usage || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%q: %v, want %q", c.in, err, c.problem)
		}
		if strings.Contains(err.Error()+job.Hint(err), "planted") {
			t.Errorf("%q: %v, %s", c.in, err, job.Hint(err))
		}
	}
}
