package driver

import (
	"testing"
	"testing/synctest"
	"time"
)

// Budgets are touched after a standstill only, and by its whole length.
func TestPulseAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPulse()
		budget := func() string {
			m := &Message{Header: Header{{Key: HeaderBudget, Value: "5000"}}}
			p.Age(m)
			return m.Header.Get(HeaderBudget)
		}
		for _, step := range []struct {
			wait time.Duration
			do   func()
			want string
		}{
			{Standstill - 1, nil, "5000"},
			{0, func() { p.beat() }, "5000"},
			{2 * time.Second, nil, "3000"},                    // handed over before the late beat
			{0, func() { p.beat() }, "3000"},                  // and after it, while the backlog lasts
			{beat, func() { p.beat() }, "3000"},               // which further beats do not end
			{6 * time.Second, nil, "-1000"},                   // one more standstill
			{0, func() { p.beat(); p.late.Store(0) }, "5000"}, // worked off
		} {
			<-time.After(step.wait)
			if step.do != nil {
				step.do()
			}
			if got := budget(); got != step.want {
				t.Errorf("%v later: a budget of 5000 ms became %s; want %s", step.wait, got, step.want)
			}
		}
	})
}
