package driver

import "testing"

func TestHeader(t *testing.T) {
	var h Header
	h.Set("a", "1")
	h.Set("b", "2")
	h.Set("a", "3")
	copied := h.Clone()
	h.Del("b")
	h.Del("none")
	if len(h) != 1 || h.Get("a") != "3" || h.Get("b") != "" {
		t.Errorf("after Set, Set, Set, Del: %v; want a=3 only", h)
	}
	if copied.Get("b") != "2" {
		t.Errorf("Del changed a clone: %v", copied)
	}
}

func TestCohortOf(t *testing.T) {
	for value, want := range map[string]int{"": NoCohort, "0": 0, "9999": 9999, "10000": NoCohort, "-1": NoCohort, "1e3": NoCohort, " 1": NoCohort, "0007": 7} {
		if got := CohortOf(Header{{HeaderCohort, value}}); got != want {
			t.Errorf("CohortOf(%q) = %d; want %d", value, got, want)
		}
	}
}
