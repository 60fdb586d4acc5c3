package config_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hansom-platform/hansom/platform/config"
)

func set(t *testing.T, v *config.Values, document string) {
	t.Helper()
	if err := v.Set([]byte(document), v.Revision()+1, ""); err != nil {
		t.Fatalf("Set(%s): %v", document, err)
	}
	synctest.Wait()
}

func TestOnChangeByKey(t *testing.T) {
	const before = `{"a": {"b": [1, {"c": "x"}], "n": 100}, "z": true}`
	for _, test := range []struct{ key, after, wants string }{
		{"a", before, ""},
		{"a", `{"z": true, "a": {"n": 1e2, "b": [1.0, {"c": "x"}]}}`, ""},
		{"a", `{"a": {"b": [1, {"c": "x"}], "n": 100.00}, "z": false}`, ""},
		{"", `{"a": {"b": [1, {"c": "x"}], "n": 100}, "z": false}`, "called"},
		{"a", `{"a": {"b": [1, {"c": "y"}], "n": 100}, "z": true}`, "called"},
		{"a.b", `{"a": {"b": [1, {"c": "y"}], "n": 100}, "z": true}`, "called"},
		{"a.n", `{"a": {"b": [1, {"c": "y"}], "n": 100}, "z": true}`, ""},
		{"a.n", `{"a": {"n": 101}}`, "called"},
		{"a.n", `{"a": {"n": -100}}`, "called"},
		{"a.n", `{"a": {"n": "100"}}`, "called"},
		{"z", `{}`, "called"},
		{"new", `{"new": 1}`, "called"},
		{"new", `{"new": null}`, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			v := values(t, before)
			got := ""
			v.OnChange(test.key, func() { got += "called" })
			set(t, v, test.after)
			if got != test.wants {
				t.Errorf("OnChange(%q) from %s to %s: %q, want %q", test.key, before, test.after, got, test.wants)
			}
		})
	}
}

func TestCallbacksRunInOrderAndSeeTheNewValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := values(t, `{"a": 1}`)
		var got []int
		for i := range 5 {
			v.OnChange("a", func() { got = append(got, 10*i+v.Int("a", 0)) })
		}
		set(t, v, `{"a": 2}`)
		if want := []int{2, 12, 22, 32, 42}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestCallbackMaySetAndCancel has callbacks change what they are called for.
func TestCallbackMaySetAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := values(t, `{"a": 1}`)
		var got []string
		v.OnChange("a", func() {
			got = append(got, "a")
			if v.Int("a", 0) == 2 {
				set := v.Set([]byte(`{"a": 3}`), 9, "")
				if set != nil {
					t.Error(set)
				}
			}
		})
		var cancel func()
		cancel = v.OnChange("a", func() {
			got = append(got, "b")
			cancel()
		})
		set(t, v, `{"a": 2}`)
		set(t, v, `{"a": 4}`)
		if want := "a b a a"; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s: one call of b, which saw the change to 3 with the one to 2", got, want)
		}
	})
}

func TestCancelledIsNotCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := values(t, `{"a": 1}`)
		v.OnChange("a", func() { t.Error("called though it was cancelled") })()
		set(t, v, `{"a": 2}`)
	})
}

func TestPanicsDoNotStopOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := values(t, `{"a": 1}`)
		v.SetLogger(slog.New(slog.DiscardHandler))
		calls := 0
		v.OnChange("a", func() { panic("on purpose") })
		v.OnChange("a", func() { calls++ })
		set(t, v, `{"a": 2}`)
		set(t, v, `{"a": 3}`)
		if calls != 2 {
			t.Errorf("the callback after one that panics was called %d times, want 2", calls)
		}
	})
}

// TestBurstEndsWithTheLastValue blocks the first callback while many changes come.
func TestBurstEndsWithTheLastValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := values(t, `{"a": 0}`)
		release, got := make(chan struct{}), []int(nil)
		v.OnChange("a", func() {
			<-release
			got = append(got, v.Int("a", -1))
		})
		for i := range 100 {
			set(t, v, `{"a": `+strings.Repeat("1", i%5+1)+`}`)
		}
		close(release)
		synctest.Wait()
		if last := got[len(got)-1]; last != 11111 || len(got) > 2 {
			t.Errorf("callbacks saw %v, want at most two and 11111 at last", got)
		}
	})
}
