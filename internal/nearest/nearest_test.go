package nearest_test

import (
	"strings"
	"testing"

	"github.com/snapferry/snapferry/internal/nearest"
)

func TestWord(t *testing.T) {
	known := []string{"region", "endpoint", "profile", "Tag", "tap"}
	for word, want := range map[string]string{
		"regon": "region", "REGION": "region", "endpiont": "endpoint", "profil": "profile", "x": "", "": "", "completely": "",
		"tag": "Tag", "ta": "Tag", "tab": "Tag", "tapp": "tap", "profxxx": "", "profixx": "profile",
		strings.Repeat("region", 100): "",
	} {
		if got := nearest.Word(word, known); got != want {
			t.Errorf("Word(%.20q) = %q, want %q", word, got, want)
		}
	}
	if got := nearest.Word("region", nil); got != "" {
		t.Errorf("Word of no known words = %q", got)
	}
}
