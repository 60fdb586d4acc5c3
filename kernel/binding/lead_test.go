package binding

import (
	"testing"

	"github.com/hansom-platform/hansom/fault"
)

func TestOnlySilenceUnbinds(t *testing.T) {
	peer := func(c fault.Code) error { return &fault.Error{Code: c, Origin: fault.Peer} }
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"an answer", nil, false},
		{"no queue", fault.New(fault.NoRoute, "bus.no_route", ""), true},
		{"no answer in time", fault.New(fault.Timeout, "platform.timeout", ""), true},
		{"another instance answers", fault.New(fault.Conflict, reasonImpostor, ""), true},
		{"the bus is away", fault.New(fault.Unavailable, "bus.disconnected", ""), false},
		{"it refuses to tell", peer(fault.Forbidden), false},
		{"it is full", peer(fault.Unavailable), false},
		{"it ran out of time itself", peer(fault.Timeout), false},
	} {
		if got := silent(c.err); got != c.want {
			t.Errorf("%s (%v): gone %t, want %t", c.name, c.err, got, c.want)
		}
	}
}
