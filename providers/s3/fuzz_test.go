package s3

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-5/6", "bytes 9-5/20", "bytes 0-9/*", "bytes */10", "bytes 0-9/10x", "", "bytes -1-2/3", "bytes 0-9223372036854775807/9223372036854775807", "bytes 0-99999999999999999999/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, size, err := parseContentRange(s)
		if err != nil {
			return
		}
		if from < 0 || to < from || size <= to {
			t.Errorf("%q gives %d-%d/%d", s, from, to, size)
		}
		if again := fmt.Sprintf("bytes %d-%d/%d", from, to, size); len(s) == len(again) && s != again {
			t.Errorf("%q is read as %q", s, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"s3://vault/p?region=eu-west-1", "s3://vault?endpoint=h:1&use_path_style=false", "s3://vault?endpoint=https://u:p@h", "s3://vault?role=arn:x", "s3://v..t/%2e%2e/a", "s3://vault:90/p"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		l, err := parse(u)
		if err != nil {
			return
		}
		if strings.ContainsAny(l.bucket, "/:@") || strings.Contains("/"+l.prefix+"/", "/../") || strings.Contains(l.endpoint, "@") && u.Query().Get("endpoint") == "" {
			t.Errorf("%q gives %+v", s, l)
		}
	})
}

func FuzzScrub(f *testing.F) {
	for _, s := range []string{"Signature=@", "Credential: @", "Authorization: AWS4-HMAC-SHA256 @", "<AWSAccessKeyId>@</AWSAccessKeyId>", "x-amz-security-token = \"@\"", "Bearer @"} {
		f.Add(s, "before ", " after")
	}
	f.Fuzz(func(t *testing.T, s, before, after string) {
		if got := scrub(before + s + after); len(got) > 510 {
			t.Errorf("%d bytes", len(got))
		}
		secret := "5ecretVa1ue"
		for _, form := range []string{"Signature=%s", "Credential: %s", "AWSAccessKeyId>%s<", "x-amz-security-token=\"%s\"", "Authorization: Bearer %s"} {
			text := " " + fmt.Sprintf(form, secret) + " "
			if got := scrub(strings.Repeat("x ", len(after)%9) + text); strings.Contains(got, secret) {
				t.Errorf("scrub(%q) = %q", text, got)
			}
		}
	})
}
