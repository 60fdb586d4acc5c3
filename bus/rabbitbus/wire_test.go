package rabbitbus

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
)

func sorted(h driver.Header) driver.Header {
	h = h.Clone()
	slices.SortFunc(h, func(a, b driver.Field) int { return cmp.Compare(a.Key, b.Key) })
	return h
}

func TestHeadersComeBack(t *testing.T) {
	h := driver.Header{
		{Key: "h2-service", Value: "core.eta"}, {Key: "empty", Value: ""}, {Key: "Case", Value: "\x00ü\n"}, {Key: "case", Value: "2"},
		{Key: "CC", Value: "all"}, {Key: "BCC", Value: "all"}, {Key: "x-death", Value: "1"}, {Key: "=x-death", Value: "2"},
		{Key: "h2-zone", Value: "mine"}, {Key: "h2-reply", Value: "mine"}, {Key: "=", Value: "3"},
	}
	table := tableOf(h)
	for _, key := range []string{"CC", "BCC", "x-death", headerZone, headerReply} {
		if _, taken := table[key]; taken {
			t.Errorf("the field %s went out as the header of that name, which means something to the broker or the driver", key)
		}
	}
	table[headerZone], table[headerReply], table[headerReceived] = "eu/a", "queue", []any{"link"}
	if got := headerOf(table); !slices.Equal(sorted(got), sorted(h)) {
		t.Errorf("got %v; want %v", sorted(got), sorted(h))
	}
}

func TestRequestsComeBack(t *testing.T) {
	want := driver.Message{Body: []byte("body"), Header: driver.Header{
		{Key: driver.HeaderService, Value: "core.eta"}, {Key: driver.HeaderEndpoint, Value: "estimate"},
		{Key: driver.HeaderOverlay, Value: "alice"}, {Key: driver.HeaderToken, Value: "a.b.c"},
		{Key: driver.HeaderType, Value: ""}, {Key: "CC", Value: "all"}, {Key: "mine", Value: "\x00ü"},
	}}
	p := publishing(&want, amqp.Table{})
	for key, visible := range map[string]bool{driver.HeaderEndpoint: true, driver.HeaderOverlay: true, "mine": true, driver.HeaderService: false, driver.HeaderToken: false} {
		if _, is := p.Headers[key]; is != visible {
			t.Errorf("field %s is an AMQP header: %v; want %v", key, is, visible)
		}
	}
	p.Headers[headerZone] = "eu/a"
	for name, sent := range map[string]amqp.Publishing{
		"in a block": p, "in headers": {Headers: tableOf(want.Header), Body: want.Body},
	} {
		var got driver.Message
		if err := messageOf(sent.Headers, sent.ContentEncoding, sent.Body, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(sorted(got.Header), sorted(want.Header)) || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("%s: got %v; want %v", name, got, want)
		}
	}
}

func TestInwardFieldsCannotBeMatched(t *testing.T) {
	b := driver.Binding{Service: "core.eta", Instance: "i", Region: "eu", Zone: "a"}
	for key, ok := range map[string]bool{driver.HeaderOverlay: true, driver.HeaderEndpoint: true, "mine": true, driver.HeaderToken: false, driver.HeaderFrom: false} {
		b.Match = map[string]string{key: "x"}
		if err := checkBinding(driver.Zone{Region: "eu", Zone: "a"}, b); (err == nil) != ok {
			t.Errorf("a binding that matches %s: got %v; want it taken: %v", key, err, ok)
		}
	}
}

func TestForeignHeadersAreLeftOut(t *testing.T) {
	got := headerOf(amqp.Table{"n": int32(1), "nil": nil, "list": []any{"a"}, "bytes": []byte("b"), "ok": "text"})
	if want := (driver.Header{{Key: "ok", Value: "text"}}); !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}

func FuzzWireKey(f *testing.F) {
	for _, key := range []string{"h2-service", "CC", "=CC", "==", "x-", "", "h2-zone"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		wire := wireKey(key)
		if reserved(wire) {
			t.Errorf("wireKey(%q) = %q, which is reserved", key, wire)
		}
		if back, ok := fieldKey(wire); back != key || !ok {
			t.Errorf("fieldKey(wireKey(%q)) = %q, %v", key, back, ok)
		}
	})
}

// FuzzReply gives whatever a peer may send to what reads it.
func FuzzReply(f *testing.F) {
	f.Add("h2-no-route", "bus.no_route.gone", []byte("text"), "eu/a", "7", "")
	f.Add("x-received-from", "", []byte(nil), "/", "", "")
	f.Add("mine", "", []byte("\x01\x04\x01k\x01vbody"), "eu/a", "7", encodingBlock)
	f.Add("mine", "", []byte("\x01\xff\xff\xff"), "eu/a", "7", encodingBlock)
	f.Fuzz(func(t *testing.T, key, value string, body []byte, zone, number, encoding string) {
		table := amqp.Table{key: value, headerZone: zone}
		d := &amqp.Delivery{Headers: table, Body: body, CorrelationId: number, ReplyTo: value}
		if to := new(conn).wayBack(d); key != headerReceived && to != (target{"", value}) {
			t.Errorf("a reply to a message of this zone goes to %v", to)
		}
		m, err := target{exchangeRequests, value}.read(answer{headers: table, encoding: encoding, body: body})
		if (m == nil) == (err == nil) {
			t.Fatalf("read(%v) = %v, %v; want one of them", table, m, err)
		}
		if m != nil && (!bytes.HasSuffix(body, m.Body) || encoding != encodingBlock && len(m.Body) != len(body)) {
			t.Errorf("the body %q was read as %q", body, m.Body)
		}
		if m != nil && encoding != encodingBlock && m.Header.Get(headerZone) != "" && key != "="+headerZone {
			t.Errorf("read(%v) = %v", table, m)
		}
		new(lanes).deliver("x"+number, answer{})
	})
}

func TestWayBackOfWhatIsMadeUp(t *testing.T) {
	service, keeper := new(conn), &conn{config: Config{Zone: zoneA, Zones: map[string][]string{"b": nil}}}
	long := strings.Repeat("x", maxShort)
	for _, test := range []struct {
		zone, reply   string
		known, keeper bool // whether a service and a keeper reply
	}{
		{"eu/b", prefixReply + "1", true, true}, {"eu/a", prefixReply + "1", true, true}, {"eu/x", prefixReply + "1", true, false},
		{"eu/b", "", false, false}, {"eu/b", "core.eta-1", false, false}, {"eu/b", prefixReply + long, false, false}, {"eu/" + long, prefixReply + "1", false, false},
	} {
		d := &amqp.Delivery{ReplyTo: "straight", Headers: amqp.Table{headerReceived: "link", headerZone: test.zone, headerReply: test.reply}}
		for c, want := range map[*conn]bool{service: test.known, keeper: test.keeper} {
			if to := c.wayBack(d); (to == target{}) == want {
				t.Errorf("a message of %.20s that wants its reply at %.20s: %v; want a way back: %v", test.zone, test.reply, to, want)
			}
		}
	}
}

func TestExpiration(t *testing.T) {
	for budget, want := range map[string]string{
		"0": "0", "250": "250", "4294967295": "4294967295", "4294967296": "", "-5": "", "": "", "soon": "", "+1": "", "99999999999999999999": "",
	} {
		if got := expiration(driver.Header{{Key: driver.HeaderBudget, Value: budget}}); got != want {
			t.Errorf("expiration of a budget of %q: got %q; want %q", budget, got, want)
		}
	}
}

func TestZoneOf(t *testing.T) {
	for text, want := range map[string]driver.Zone{
		"eu-west-1/a": {Region: "eu-west-1", Zone: "a"}, "x/y/a": {Region: "x/y", Zone: "a"}, "/": {}, "none": {}, "": {},
	} {
		if got := zoneOf(text); got != want {
			t.Errorf("zoneOf(%q) = %v; want %v", text, got, want)
		}
	}
}
