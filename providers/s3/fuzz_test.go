package s3

import (
	"net/url"
	"strings"
	"testing"
)

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

func FuzzContext(f *testing.F) {
	for _, s := range []string{"a=b", "a=b,c=d", "a=", "=b", "a", `{"a":"b"}`, `{"a":1}`, `{"a":{}}`, "{", "null", `{"a":"\u0000<>&"}`, "a==b", "ä=ö,\xff=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := parseContext(s)
		if err != nil {
			return
		}
		again, err := parseContext(string(out))
		if err != nil || string(again) != string(out) || len(out) > mostContext {
			t.Errorf("%q gives %q, which gives %q, %v", s, out, again, err)
		}
	})
}
