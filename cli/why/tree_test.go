package why

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func hop(server bool, span, parent, service string, start int) *hansompb.Hop {
	return &hansompb.Hop{
		Server: server, SpanId: span, ParentId: parent, Service: service, Endpoint: "read", Instance: service + "-1",
		Version: "v1", Zone: "a", Attempt: 1, Cohort: -1,
		Start:    timestamppb.New(epoch.Add(time.Duration(start) * time.Millisecond)),
		Duration: durationpb.New(2 * time.Millisecond),
	}
}

func failed(h *hansompb.Hop, attempt uint32, code, reason string) *hansompb.Hop {
	h.Attempt, h.Code, h.Reason = attempt, code, reason
	return h
}

func TestHopsOfBothSidesBecomeATree(t *testing.T) {
	hops := []*hansompb.Hop{ // in no order, as instances answer
		hop(true, "S2", "C2", "core.eta", 3),
		hop(false, "C2", "S1", "core.eta", 2),
		hop(true, "S1", "", "api.gateway", 0),
		failed(hop(false, "C1", "S1", "core.city", 1), 1, "UNAVAILABLE", "bus.connection_lost"),
		hop(false, "C3", "S1", "core.city", 4), // the second attempt, whose receiver is gone
		hop(true, "S4", "C9", "core.state", 5), // whose caller is gone
		hop(false, "C2", "S1", "core.eta", 2),  // told twice
	}
	hops[4].Attempt = 2
	var out bytes.Buffer
	if err := show(&out, "0af7", tree(hops)); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(out.String(), "\n\n")
	want := strings.TrimPrefix(`
CALL               VERSION  INSTANCE       ZONE  START    TOOK    HANDLED  RESULT
api.gateway read   v1       api.gateway-1  a     +0.0 ms  -       2.0 ms   ok
├─ core.city read  v1       core.city-1    a     +1.0 ms  2.0 ms  -        UNAVAILABLE bus.connection_lost
├─ core.eta read   v1       core.eta-1     a     +2.0 ms  2.0 ms  2.0 ms   ok
└─ core.city read  v1       core.city-1    a     +4.0 ms  2.0 ms  -        ok (attempt 2)
core.state read    v1       core.state-1   a     +5.0 ms  -       2.0 ms   ok
`, "\n")
	if table != want {
		t.Errorf("want\n%sgot\n%s", want, table)
	}
}

func TestACallerThatGaveUpSawAFailure(t *testing.T) {
	calls := tree([]*hansompb.Hop{
		failed(hop(false, "C1", "", "core.eta", 0), 1, "TIMEOUT", "platform.timeout"),
		hop(true, "S1", "C1", "core.eta", 1),
	})
	got := report("0af7", calls).Calls
	if len(got) != 1 || got[0].Code != "TIMEOUT" || got[0].HandledMS != 2 {
		t.Errorf("want one call with TIMEOUT that was handled in 2 ms, got %+v", got)
	}
}

func TestNoHopsAreNoTree(t *testing.T) {
	if got := tree(nil); len(got) != 0 {
		t.Errorf("want nothing, got %+v", got)
	}
}
