package traffic

import (
	"strings"
	"testing"
)

func TestPercentBecomesHundredthsOfAPercent(t *testing.T) {
	for text, want := range map[string]uint32{
		"0": 0, "10": 1000, "10%": 1000, "12.5": 1250, "0.05": 5, "99.99": 9999, "100": 10_000, "100.00%": 10_000, "1.": 100,
	} {
		if got, err := parsePercent(text); err != nil || got != want {
			t.Errorf("%q: want %d, got %d, %v", text, want, got, err)
		}
	}
	for _, text := range []string{"", "%", ".5", "-1", "+1", "100.01", "101", "1.234", "1.2.3", "ten", "1e1", "1 "} {
		if got, err := parsePercent(text); err == nil {
			t.Errorf("%q: want an error, got %d", text, got)
		}
	}
}

func TestSharesOfOneSplit(t *testing.T) {
	shares, err := parseShares([]string{"v2=10", "v3=90"})
	if err != nil || len(shares) != 2 || shares[0].GetVersion() != "v2" || shares[1].GetBasisPoints() != 9000 {
		t.Errorf("want 10 %% for v2 and 90 %% for v3, got %v, %v", shares, err)
	}
	for want, args := range map[string][]string{
		"<version>=<percent>": {"v2"},
		"named twice":         {"v2=10", "v2=20"},
		"add up to 100.01 %":  {"v2=50", "v3=50.01"},
		`share "v2=x"`:        {"v2=x"},
		`share "=10"`:         {"=10"},
	} {
		if _, err := parseShares(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got %v", args, want, err)
		}
	}
}
