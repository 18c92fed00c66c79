package providers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		"cannot fetch token: 503\nResponse: x":  "cannot fetch token: 503 Response: x", // a cause is no secret
		"two\nlines":                            "two lines",
		"/c?sig=abc%3D&sv=1 failed":             "/c?sig=xxx&sv=1 failed",
		`{"access_token": "ya29.a-b_c", "n":1}`: `{"access_token": "xxx", "n":1}`,
		"key -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- end": "key xxx end",
	} {
		if got := providers.Scrub(in); got != want {
			t.Errorf("Scrub(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzScrub(f *testing.F) {
	for _, s := range []string{"Signature=@", "Credential: @", "Authorization: AWS4-HMAC-SHA256 @", "<AWSAccessKeyId>@</AWSAccessKeyId>", "x-amz-security-token = \"@\"", "Bearer @",
		"ya29.@", "&sig=@&", "-----BEGIN RSA PRIVATE KEY-----@"} {
		f.Add(s, "before ", " after")
	}
	f.Fuzz(func(t *testing.T, s, before, after string) {
		if got := providers.Scrub(before + s + after); len(got) > 510 {
			t.Errorf("%d bytes", len(got))
		}
		secret := "5ecretVa1ue"
		for _, form := range []string{"Signature=%s", "Credential: %s", "AWSAccessKeyId>%s<", "x-amz-security-token=\"%s\"", "Authorization: Bearer %s",
			"?sv=1&sig=%s&x=1", "AccountKey=%s;EndpointSuffix=x", "Authorization: SharedKey account:%s", `"access_token":"%s"`, `"private_key": "%s"`,
			"-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----", "token ya29.c.%s", "jwt eyJhbGciOi.eyJ%s.sig"} {
			text := " " + fmt.Sprintf(form, secret) + " "
			if got := providers.Scrub(strings.Repeat("x ", len(after)%9) + text); strings.Contains(got, secret) {
				t.Errorf("Scrub(%q) = %q", text, got)
			}
		}
	})
}
