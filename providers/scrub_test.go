package providers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snapferry/snapferry/providers"
)

func FuzzScrub(f *testing.F) {
	for _, s := range []string{"Signature=@", "Credential: @", "Authorization: AWS4-HMAC-SHA256 @", "<AWSAccessKeyId>@</AWSAccessKeyId>", "x-amz-security-token = \"@\"", "Bearer @"} {
		f.Add(s, "before ", " after")
	}
	f.Fuzz(func(t *testing.T, s, before, after string) {
		if got := providers.Scrub(before + s + after); len(got) > 510 {
			t.Errorf("%d bytes", len(got))
		}
		secret := "5ecretVa1ue"
		for _, form := range []string{"Signature=%s", "Credential: %s", "AWSAccessKeyId>%s<", "x-amz-security-token=\"%s\"", "Authorization: Bearer %s"} {
			text := " " + fmt.Sprintf(form, secret) + " "
			if got := providers.Scrub(strings.Repeat("x ", len(after)%9) + text); strings.Contains(got, secret) {
				t.Errorf("Scrub(%q) = %q", text, got)
			}
		}
	})
}
