package profile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/proto/rpc"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
)

var ada = Driver{ID: "d1", Name: "Ada Byron", Vehicle: "Black cab", Plate: "LX26 ABC"}

func newHandler() *handler {
	return &handler{&registrar{newBook(), func(context.Context, Driver) error { return nil }}}
}

func TestReadKeepsTheOrderAndLeavesOutTheUnknown(t *testing.T) {
	h := newHandler()
	for _, id := range []string{"a", "b", "c"} {
		d := ada
		d.ID = id
		if _, err := h.Write(t.Context(), &profilepb.WriteRequest{Driver: message(d)}); err != nil {
			t.Fatalf("Write(%s): %v", id, err)
		}
	}
	got, err := h.Read(t.Context(), &profilepb.ReadRequest{Ids: []string{"c", "nobody", "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Drivers) != 2 || got.Drivers[0].Id != "c" || got.Drivers[1].Id != "a" {
		t.Errorf("Read(c, nobody, a): want c and a, got %v", got.Drivers)
	}
}

func TestWriteMakesTheRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler()
		var last uint64
		for i := range 3 {
			if i == 2 {
				time.Sleep(time.Second)
			}
			m := message(ada)
			m.Revision = 1 << 60 // not the caller's to say
			if _, err := h.Write(t.Context(), &profilepb.WriteRequest{Driver: m}); err != nil {
				t.Fatal(err)
			}
			got := h.registrar.book.read([]string{"d1"})[0].Revision
			if want := uint64(time.Now().UnixMicro()); got <= last || i != 1 && got != want {
				t.Errorf("write %d: want revision %d and more than %d, got %d", i, want, last, got)
			}
			last = got
		}
	})
}

func TestWriteNamesTheField(t *testing.T) {
	for reason, spoil := range map[string]func(*Driver){
		"bad_id":      func(d *Driver) { d.ID = "a b" },
		"bad_name":    func(d *Driver) { d.Name = "Ada\x00" },
		"bad_vehicle": func(d *Driver) { d.Vehicle = strings.Repeat("x", maxVehicle+1) },
		"bad_plate":   func(d *Driver) { d.Plate = "<b>" },
	} {
		d := ada
		spoil(&d)
		_, err := newHandler().Write(t.Context(), &profilepb.WriteRequest{Driver: message(d)})
		if !fault.Is(err, fault.BadRequest) || fault.ReasonOf(err) != "core.profile.write."+reason {
			t.Errorf("want BAD_REQUEST core.profile.write.%s, got %v", reason, err)
		}
	}
}

func TestNamesOfTheWorldAreReadable(t *testing.T) {
	for _, name := range []string{"Ada", "Zoë O’Brien", "山田 太郎", "Žižek-Łukasz", "محمد"} {
		if !readable(name, maxName) {
			t.Errorf("readable(%q): want true, got false", name)
		}
	}
	for _, name := range []string{"", " ", " Ada", "Ada\n", "\xff", "a\u202eb", strings.Repeat("é", maxName+1)} {
		if readable(name, maxName) {
			t.Errorf("readable(%q): want false, got true", name)
		}
	}
}

func TestAFailedPublicationFailsTheWrite(t *testing.T) {
	h := &handler{&registrar{newBook(), func(context.Context, Driver) error { return errors.New("the bus is gone") }}}
	if _, err := h.Write(t.Context(), &profilepb.WriteRequest{Driver: message(ada)}); err == nil {
		t.Error("want an error, got none")
	}
}

func TestAllInstancesAgreeWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		writes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Driver {
			return Driver{
				ID:       fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "id")),
				Name:     rapid.SampledFrom([]string{"A", "B"}).Draw(t, "name"),
				Plate:    rapid.SampledFrom([]string{"1", "2"}).Draw(t, "plate"),
				Revision: rapid.Uint64Range(1, 4).Draw(t, "revision"),
			}
		}), 0, 40).Draw(t, "writes")
		one, two := newBook(), newBook()
		for _, d := range writes {
			one.merge(d)
		}
		for _, d := range rapid.Permutation(writes).Draw(t, "order") {
			two.merge(d)
		}
		if diff := cmp.Diff(one.drivers, two.drivers); diff != "" {
			t.Fatalf("two orders of %v: want the same book, got (-one +two)\n%s", writes, diff)
		}
	})
}

func TestDumpHoldsEveryDriverOnce(t *testing.T) {
	h := newHandler()
	const count = pageSize + 5
	for i := range count {
		d := ada
		d.ID = fmt.Sprintf("d%05d", i)
		h.registrar.book.merge(d)
	}
	seen, after := map[string]bool{}, ""
	for pages := 1; ; pages++ {
		page, err := h.Dump(t.Context(), &profilepb.DumpRequest{After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Drivers {
			seen[d.Id] = true
		}
		if after = page.Next; after == "" {
			if pages != 2 || len(seen) != count {
				t.Errorf("want %d drivers on 2 pages, got %d on %d", count, len(seen), pages)
			}
			return
		}
	}
}

func TestReadIsLimited(t *testing.T) {
	_, err := newHandler().Read(t.Context(), &profilepb.ReadRequest{Ids: make([]string, maxRead+1)})
	if fault.ReasonOf(err) != "core.profile.read.too_many" {
		t.Errorf("want core.profile.read.too_many, got %v", err)
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	want := &profilepb.Driver{Id: "a", Name: "b", Vehicle: "c", Plate: "d", Revision: 5}
	if diff := cmp.Diff(want, message(driver(want)), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// peer is another instance, as the bus lets this one see it.
type peer func(*profilepb.DumpRequest) (*profilepb.DumpResponse, error)

func (p peer) Call(_ context.Context, _ *rpc.Endpoint, request, response proto.Message) error {
	page, err := p(request.(*profilepb.DumpRequest))
	if err == nil {
		proto.Merge(response, page)
	}
	return err
}

func warmUp(t *testing.T, p peer) (*book, error) {
	t.Helper()
	r := &replication{peer: profilepb.NewProfileClient(p), book: newBook()}
	return r.book, r.warmUp(t.Context())
}

func TestTheFirstInstanceStartsEmpty(t *testing.T) {
	_, err := warmUp(t, func(*profilepb.DumpRequest) (*profilepb.DumpResponse, error) {
		return nil, fault.New(fault.NoRoute, "bus.no_route", "never heard of core.profile")
	})
	if err != nil {
		t.Errorf("without another instance: want a start, got %v", err)
	}
}

func TestANewInstanceCopiesEveryPage(t *testing.T) {
	b, err := warmUp(t, func(r *profilepb.DumpRequest) (*profilepb.DumpResponse, error) {
		next := map[string]string{"": "a", "a": "b", "b": ""}
		return &profilepb.DumpResponse{Drivers: []*profilepb.Driver{{Id: "after-" + r.After}}, Next: next[r.After]}, nil
	})
	if err != nil || len(b.drivers) != 3 {
		t.Errorf("want the drivers of 3 pages, got %v, %v", b.drivers, err)
	}
}

func TestAnInstanceDoesNotStartWithGaps(t *testing.T) {
	_, err := warmUp(t, func(r *profilepb.DumpRequest) (*profilepb.DumpResponse, error) {
		if r.After == "" {
			return &profilepb.DumpResponse{Drivers: []*profilepb.Driver{{Id: "a"}}, Next: "a"}, nil
		}
		return nil, fault.New(fault.Timeout, "bus.timeout", "too slow")
	})
	if !fault.Is(err, fault.Timeout) {
		t.Errorf("want the peer's TIMEOUT, got %v", err)
	}
}
