package drill

import "testing"

func TestChecks(t *testing.T) {
	for text, want := range map[string]map[string]bool{
		"RETURN 1 => 1":            {"1": true, "1.0": true, "2": false, "one": false, "": false},
		"RETURN 1 => > 10":         {"11": true, "10": false, "10.000000001": true, "x": false, "9223372036854775807": true},
		"RETURN 1 => <=9":          {"9": true, "9.5": false, "-3": true},
		"RETURN 1 => !=0":          {"0": false, "-0.0": false, "x": true},
		"RETURN 'a=>b' => a b":     {"a b": true, "a  b": false},
		"RETURN true => true":      {"true": true, "false": false},
		"RETURN 1 => = >5":         {">5": true, "6": false},
		"RETURN 1 => >= 1e3":       {"1000": true, "999.9": false},
		"MATCH (n) RETURN n => <0": {"-1": true, "0": false},
	} {
		c, err := ParseCheck(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for got, holds := range want {
			if c.holds(got) != holds {
				t.Errorf("%s: %q holds: %t", text, got, !holds)
			}
		}
	}
	for _, text := range []string{"", "RETURN 1", "=> 1", "RETURN 1 =>", "RETURN 1 => > many", "RETURN 1 => >", "RETURN 1 => <"} {
		if _, err := ParseCheck(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzParseCheck(f *testing.F) {
	f.Add("MATCH (n) RETURN count(n) => >= 1000", "1000")
	f.Add("RETURN 1 => 1e999", "1e-999")
	f.Fuzz(func(t *testing.T, text, got string) {
		c, err := ParseCheck(text)
		if err == nil && c.holds(got) && c.Validate() != nil {
			t.Errorf("%q holds and is not valid", text)
		}
	})
}

func TestCountsThatAreNone(t *testing.T) {
	for _, rows := range [][][]any{nil, {{}}, {{1}}, {{map[string]any{}}, {2}}} {
		if _, err := parseCounts(rows); err == nil {
			t.Errorf("%v were taken", rows)
		}
	}
	odd := map[string]any{"nodes": []any{1, map[string]any{"count": "x"}}, "relationships": "x"}
	if g, err := parseCounts([][]any{{odd}}); err != nil || g.Nodes != 0 {
		t.Errorf("%+v, %v", g, err)
	}
}
