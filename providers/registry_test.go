package providers_test

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

// opened is what a registered opener was given.
type opened struct{ u *url.URL }

func registry(got *opened) providers.Registry {
	open := func(_ context.Context, u *url.URL, _ providers.Options) (providers.Bucket, string, error) {
		got.u = u
		return nil, strings.Trim(u.Path, "/"), providers.CheckQuery(u, "region", "endpoint", "use_path_style")
	}
	return providers.Registry{"file": open, "s3": open, "gs": open}
}

func TestOpenPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/a/b": "/a/b", "a/b": "a/b", "./s3:x": "./s3:x", `C:\dir`: `C:\dir`, "c:/dir": "c:/dir", "a?b#c%20": "a?b#c%20",
		"foo:bar": "foo:bar", "/a/s3://b": "/a/s3://b",
	} {
		var got opened
		if _, _, err := registry(&got).Open(t.Context(), raw, providers.Options{}); err != nil {
			t.Errorf("open %q: %v", raw, err)
			continue
		}
		path, err := providers.FilePath(got.u)
		if got.u.Scheme != "file" || err != nil || path != filepath.FromSlash(want) {
			t.Errorf("open %q: scheme %q, path %q, %v", raw, got.u.Scheme, path, err)
		}
	}
}

func TestFilePath(t *testing.T) {
	cases := map[string]string{"file:///a/b": "/a/b", "file:///a%20b": "/a b", "file://localhost/x": "/x", "file:///": "/"}
	if runtime.GOOS == "windows" {
		cases = map[string]string{"file:///C:/dir": `C:\dir`, "file:///c:/a%20b": `c:\a b`}
	}
	for raw, want := range cases {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := providers.FilePath(u); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", raw, got, err, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for raw, want := range map[string][2]string{ // text of the error, of the hint
		"":                         {"it is empty", "s3://BUCKET/PREFIX"},
		"s4://b":                   {`unknown scheme "s4"`, "did you mean s3://? Known schemes: file, gs, s3"},
		"ftp://host/dir":           {`unknown scheme "ftp"`, "schemes file, gs, s3"},
		"s3:bucket":                {"slashes", "s3://"},
		"s3://b?regoin=x":          {"unknown parameter regoin", "did you mean region?"},
		"s3://b?usepathstyle=x":    {"unknown parameter usepathstyle", "did you mean use_path_style?"},
		"s3://b?zzzzzzzz=x":        {"unknown parameter zzzzzzzz", "known parameters: region, endpoint"},
		"s3://b?region=a&region=b": {"given 2 times", "once"},
		"s3://b?region=%zz":        {"query", "percent-encode"},
		"s3://b/p#daily/x":         {"after #", "vault alone"},
		"s3://AKIA:s3cr3t@b/p":     {"credentials", "environment"},
		"s3://AKIA:s3/cr3t@b/p":    {"cannot be parsed", "credentials"},
		"s3://b?secret_key=s3cr3t": {"unknown parameter secret_key", "known parameters"},
		"s3://b?s3cr3t/+x==":       {"unknown a parameter", "known parameters"},
	} {
		_, _, err := registry(new(opened)).Open(t.Context(), raw, providers.Options{})
		e, ok := errors.AsType[*providers.Error](err)
		if !errors.Is(err, providers.ErrInvalidURL) || !ok || !providers.Permanent(err) {
			t.Errorf("open %q: %v", raw, err)
			continue
		}
		if !strings.Contains(err.Error(), want[0]) || !strings.Contains(e.Hint, want[1]) {
			t.Errorf("open %q: %v; hint: %s", raw, err, e.Hint)
		}
		if strings.Contains(err.Error()+e.Hint, "cr3t") {
			t.Errorf("open %q shows the secret: %v; hint: %s", raw, err, e.Hint)
		}
	}
}

func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"/home/a@b/c":                             "/home/a@b/c",
		"file:///home/a@b":                        "file:///home/a@b",
		"s3://bucket/p?region=eu-west-1":          "s3://bucket/p?region=eu-west-1",
		"s3://k:s@bucket/p":                       "s3://xxx@bucket/p",
		"s3://k:s/x@bucket/p":                     "s3://xxx@bucket/p",
		"s3://k:s?x@bucket":                       "s3://xxx/?xxx",
		"s3://b?key=abc&profile=p":                "s3://b?key=xxx&profile=p",
		"s3://b?endpoint=https://u:p@h:9":         "s3://b?endpoint=xxx@h:9",
		"s3://b?endpoint=https%3A%2F%2Fu%3Ap%40h": "s3://b?endpoint=xxx@h",
		"s3://b?endpoint=h:9000":                  "s3://b?endpoint=h:9000",
		"s3://b?ssetype=aws:kms&kmskeyid=k&kms_context=a=b&role_session=n&external_id=e&storage_class=X": "s3://b?ssetype=aws:kms&kmskeyid=k&kms_context=xxx&role_session=n&external_id=xxx&storage_class=X",
		"s3://b/p#frag":                      "s3://b/p",
		"https://b.s3/x?X-Amz-Signature=abc": "https://b.s3/x?X-Amz-Signature=xxx",
	} {
		if got := providers.Redact(raw); got != want {
			t.Errorf("Redact(%q) = %q, want %q", raw, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{"s3://u:SECRET@b/p?q=1#f", "s3://b?endpoint=https://u:SECRET@h", "s3://b?token=SECRET", "s3://u:a/SECRET@b", "//SECRET@", "%SECRET"} {
		before, after, _ := strings.Cut(s, "SECRET")
		f.Add(before, after)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		// A password in its place, whatever stands around it.
		raw := "s3://user:" + strings.NewReplacer("#", "", "?", "").Replace(before) + "SECRET@bucket/" + after
		if got := providers.Redact(raw); strings.Contains(got, "SECRET") && !strings.Contains(before+after, "SECRET") {
			t.Errorf("Redact(%q) = %q", raw, got)
		}
		_, _, err := registry(new(opened)).Open(t.Context(), raw, providers.Options{})
		if err == nil {
			t.Errorf("open %q was no error", raw)
		} else if strings.Contains(err.Error(), "SECRET") && !strings.Contains(before+after, "SECRET") {
			t.Errorf("open %q: %v", raw, err)
		}
	})
}

func TestCheckPrefix(t *testing.T) {
	part := strings.Repeat("a", 63)
	for _, ok := range []string{"", "a", "prod", "a/b/c", "a-b_c.d/0", part, strings.Repeat(part+"/", 7) + part} {
		if err := providers.CheckPrefix(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{
		"/", "a/", "/a", "a//b", ".", "..", "a..b", "a.", ".a", "-a", "_a", "A", "a b", "ä", "a\\b", "a%b", part + "a",
		strings.Repeat(part+"/", 8) + "a", "a/../b",
	} {
		if err := providers.CheckPrefix(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzCheckPrefix(f *testing.F) {
	for _, s := range []string{"", "a/b", "a..b", "a.", "A", "a//b", "con", "a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if providers.CheckPrefix(s) == nil && s != "" {
			if err := providers.CheckKey(s + "/x"); err != nil {
				t.Errorf("prefix %q is accepted and makes an invalid key: %v", s, err)
			}
		}
	})
}
