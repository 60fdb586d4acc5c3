package rabbitbus

import (
	"slices"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

func TestLinksNameVirtualHosts(t *testing.T) {
	for _, test := range []struct{ own, address, want string }{
		{"/", "amqp://b1", "amqp://b1"}, {"/", "amqp://b1/", "amqp://b1"}, {"/", "amqp://b1/%2F", "amqp://b1"}, {"/", "amqp://b1/v", "amqp://b1/v"},
		{"v", "amqp://b1", "amqp://b1/v"}, {"v/w", "amqp://b1", "amqp://b1/v%2Fw"}, {"v", "amqp://b1/", "amqp://b1/%2F"},
	} {
		s := &setup{api: &management{vhost: test.own}}
		got, err := s.uris([]string{test.address})
		if err != nil || len(got) != 1 || strings.Split(got[0], "?")[0] != test.want {
			t.Errorf("a link of the virtual host %s to %s goes to %v, %v; want %s", test.own, test.address, got, err, test.want)
		}
	}
}

// testReclaimed: the first keeper that came to a new broker was of another zone; what the message says mends that.
func testReclaimed(t *testing.T, e *engine) {
	config := e.config(zoneA)
	config.URL += "/claimed"
	config.Zones = map[string][]string{"b": {"amqp://127.0.0.1:1"}}
	api := must(newManagement(config))(t)
	if err := api.put(t.Context(), struct{}{}, "vhosts", "claimed"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.remove(t.Context(), "vhosts", "claimed") })
	guest := config
	guest.Zone, guest.Zones = driver.Zone{Region: zoneA.Region, Zone: "b"}, nil
	e.connectBy(guest)
	_, err := Setup(t.Context(), config)
	wantFault(t, err, fault.Conflict, "bus.other_zone")
	if !strings.Contains(err.Error(), "delete the exchange h2.home") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	if err := api.remove(t.Context(), "exchanges", "claimed", exchangeHome); err != nil {
		t.Fatal(err)
	}
	report, err := Setup(t.Context(), config)
	if err != nil || !slices.Contains(report.Removed, "binding of exchange h2 to h2.zone.b") {
		t.Fatalf("setup removed %v, %v; want what arrived for the other zone gone", report.Removed, err)
	}
	if report, err = Setup(t.Context(), config); err != nil || len(report.Changes) > 0 {
		t.Errorf("second setup: changed %v, error %v; want nothing changed", report.Changes, err)
	}
}
