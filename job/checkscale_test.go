package job

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/snapferry/snapferry/archive/format"
	"github.com/snapferry/snapferry/lifecycle"
	"github.com/snapferry/snapferry/lifecycle/native"
	"github.com/snapferry/snapferry/providers"
)

// ruledFolder is a folder whose store has the rules of a bucket of S3.
type ruledFolder struct {
	providers.Bucket
	body []byte
}

func (f *ruledFolder) Rules(context.Context) (providers.RulesDocument, error) {
	return providers.RulesDocument{Store: lifecycle.S3, Scope: "bucket folder", Body: f.body}, nil
}

func (f *ruledFolder) SetRules(context.Context, providers.RulesDocument) error {
	return providers.ErrUnsupported
}

// BenchmarkCheckRules holds 1,000 rules, 20 or so of them the vault's, against 10,000
// backups of ten series: go test ./job -run '^$' -bench CheckRules -benchtime 1x
func BenchmarkCheckRules(b *testing.B) {
	const backups, others = 10_000, 980
	dir := b.TempDir()
	p := lifecycle.Policy{Daily: lifecycle.Keep{Count: 2000}, Weekly: lifecycle.Keep{Count: 100}, Monthly: lifecycle.Keep{Count: 50}}
	now := time.Now().UTC().Truncate(time.Second)
	for i := range backups {
		n := format.Name{Series: fmt.Sprintf("s%d", i%10), ID: format.ID{Time: now.Add(-time.Duration(i/10) * 24 * time.Hour), Kind: format.KindFull,
			Fingerprint: fmt.Sprintf("%016x", i)}}
		promise := p.Promote(n.ID.Time, func(lifecycle.Period) bool { return i%7 != 0 })
		n.Tier, promise.Begun = promise.Tier, n.ID.Time
		entry := filepath.Join(dir, string(n.Tier), "catalog", n.Series, n.ID.String())
		if err := os.MkdirAll(entry, 0o700); err != nil {
			b.Fatal(err)
		}
		text, err := format.Seal(format.NewPromise(n, promise))
		if err != nil {
			b.Fatal(err)
		}
		for name, content := range map[string][]byte{format.CaptureFile: nil, format.ManifestFile: nil, format.PromiseFile: text} {
			path := filepath.Join(entry, name)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				b.Fatal(err)
			}
			if err := os.Chtimes(path, n.ID.Time, n.ID.Time); err != nil {
				b.Fatal(err)
			}
		}
	}
	doc, err := native.Render(lifecycle.S3, "", "", p.Rules(lifecycle.S3))
	if err != nil {
		b.Fatal(err)
	}
	var theirs bytes.Buffer
	for i := range others {
		fmt.Fprintf(&theirs, "<Rule><ID>o%d</ID><Filter><Prefix>other-%[1]d/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule>", i)
	}
	body := bytes.Replace(doc.Body, []byte("<Rule>"), append(theirs.Bytes(), "<Rule>"...), 1)
	r := &Runner{Registry: providers.Registry{"s3": func(ctx context.Context, _ *url.URL, o providers.Options) (providers.Bucket, string, error) {
		bucket, prefix, err := (&Runner{}).newSession().Registry[providers.SchemeFile](ctx, &url.URL{Scheme: providers.SchemeFile, Path: dir}, o)
		return &ruledFolder{bucket, body}, prefix, err
	}}}
	b.ReportAllocs()
	for b.Loop() {
		report, err := r.CheckRules(b.Context(), PlanRequest{Vault: Vault{URL: "s3://b", Access: Access{Retention: p}}})
		if report == nil || len(report.Broken) > 0 || len(report.Series) != 10 {
			b.Fatalf("%+v, %v", report, err)
		}
	}
}
