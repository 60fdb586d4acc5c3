package config_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

func TestLayersMergeInOrder(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		for i, id := range []string{"env/test/core.eta", "base", "env/test", "region/local", "base/core.eta", "region/local/core.eta"} {
			h.set(replace(id, fmt.Sprintf(`{"last":%q,"at":{"%d":%q},"list":[%d],"gone":null}`, id, i, id, i)))
		}
		h.set(merge("base", `{"big":123456789012345678901234567890}`), replace("env/other", `{"last":"never"}`))
		got := h.compile(h.client, layers("core.eta", "local"))
		equal(t, "compiled", string(got.GetDocument()),
			`{"at":{"0":"env/test/core.eta","1":"base","2":"env/test","3":"region/local","4":"base/core.eta","5":"region/local/core.eta"},"big":123456789012345678901234567890,"last":"env/test/core.eta","list":[0]}`)
		equal(t, "without service and region", string(h.compile(h.client, layers("", "")).GetDocument()),
			`{"at":{"1":"base","2":"env/test"},"big":123456789012345678901234567890,"last":"env/test","list":[2]}`)

		again := layers("core.eta", "local")
		again.Hash = got.GetHash()
		if r := h.compile(h.client, again); !r.GetUnchanged() || len(r.GetDocument()) > 0 {
			t.Errorf("with the same hash: unchanged %v and %d bytes, want true and none", r.GetUnchanged(), len(r.GetDocument()))
		}
		past := layers("core.eta", "local")
		past.AsOf, past.Path = 2, "last"
		equal(t, "as of 2", string(h.compile(h.client, past).GetDocument()), `"env/test/core.eta"`)
		past.Path = "no.such"
		response, err := h.client.Compile(t.Context(), past)
		mustFail(t, response, err, fault.NotFound, "no.such")
	})
}

func TestTwoWritersOneWins(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.start("none") // another instance: calls go to either
		at := h.set(replace("base", `{"n":1}`))
		mine := merge("base", `{"n":2}`)
		mine.ExpectedRevision = at
		theirs := merge("base", `{"n":3}`)
		theirs.ExpectedRevision = at
		now := h.set(mine)
		h.refused(update(theirs), fault.Conflict, fmt.Sprintf("base is at revision %d", now), fmt.Sprintf("at revision %d:", at))
		equal(t, "base", h.read("base"), `{"n":2}`)

		fresh := replace("base", `{}`)
		fresh.CheckRevision = true
		h.refused(update(fresh), fault.Conflict, "absent")
		fresh.Id = "new"
		h.set(fresh)
		h.set(merge("base", `{"m":1}`)) // without an expectation it goes on top
		equal(t, "base", h.read("base"), `{"m":1,"n":2}`)
	})
}

func TestUpdatesAreAllOrNothing(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.refused(update(replace("base", `{"a":1}`), remove("nowhere")), fault.NotFound, "there is no document nowhere")
		equal(t, "base", h.read("base"), "")
		h.refused(&configpb.UpdateRequest{Edits: []*configpb.Edit{replace("base", `{}`)}}, fault.BadRequest, "message")
		h.refused(update(), fault.BadRequest, "0 edits")
		h.refused(update(replace("base", `{}`), replace("base", `{}`)), fault.BadRequest, "twice")
		h.refused(update(replace("base", `[1]`)), fault.BadRequest, "an object")
		h.refused(update(replace("base", "{\n\"a\":1,\"a\":2}")), fault.BadRequest, "base: line 2", "at /a")
		h.refused(update(&configpb.Edit{Id: "base"}), fault.BadRequest, "replace, merge or delete")
		for _, id := range []string{"", "/", "a//b", "base/eta", "base/core.eta/x", "region", "env", "schema/a/b", "ä", "../x", strings.Repeat("x", 201)} {
			h.refused(update(replace(id, `{}`)), fault.BadRequest, "document")
		}
	})
}

func TestDryRunsOnlyTell(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"a":{"b":1,"c":2},"d":[1]}`))
		r := update(merge("base", `{"a":{"b":null,"e":3},"d":{"x":1}}`))
		r.DryRun = true
		got := h.update(t.Context(), r)
		equal(t, "changes", changes(got.GetChanges()), "base /a/b: 1 -> \nbase /a/e:  -> 3\nbase /d: [1] -> \nbase /d/x:  -> 1")
		if got.GetRevision() != 1 {
			t.Errorf("a dry run is at revision %d, want 1", got.GetRevision())
		}
		equal(t, "base", h.read("base"), `{"a":{"b":1,"c":2},"d":[1]}`)
		if same := h.set(merge("base", `{"a":{"b":1}}`)); same != 1 {
			t.Errorf("a change that changes nothing became revision %d, want 1 still", same)
		}
	})
}

func TestServicesSeeOnlyWhatIsTheirs(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"a":1}`), replace("city/LON", `{"name":"London"}`), replace("schema/x", `{"pattern":"x/*","schema":{}}`))
		eta := h.as("core.eta")
		equal(t, "its own", string(h.compile(eta, layers("core.eta", "")).GetDocument()), `{"a":1}`)
		for _, other := range []string{"core.state", ""} {
			response, err := eta.Compile(t.Context(), layers(other, ""))
			mustFail(t, response, err, fault.Forbidden)
		}
		multi, err := eta.MultiCompile(t.Context(), &configpb.MultiCompileRequest{Requests: []*configpb.CompileRequest{layers("core.eta", ""), layers("core.state", "")}})
		mustFail(t, multi, err, fault.Forbidden)
		for _, id := range []string{"base", "schema/x"} {
			response, err := eta.Read(t.Context(), &configpb.ReadRequest{Id: id})
			mustFail(t, response, err, fault.Forbidden)
		}
		list, err := eta.List(t.Context(), &configpb.ListRequest{Bodies: true})
		if err != nil || len(list.GetDocuments()) != 1 || string(list.GetDocuments()[0].GetJson()) != `{"name":"London"}` {
			t.Errorf("core.eta lists %v, %v; want city/LON only", list, err)
		}
		response, err := eta.Update(t.Context(), update(replace("city/LON", `{}`)))
		mustFail(t, response, err, fault.Forbidden)
	})
}

func TestListsPage(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		for i := range 5 {
			h.set(replace(fmt.Sprint("city/", i), `{"x":"`+strings.Repeat("y", 300<<10)+`"}`))
		}
		h.set(remove("city/3"))
		var ids []string
		for r := (&configpb.ListRequest{Prefix: "city/", Bodies: true}); ; {
			page, err := h.client.List(t.Context(), r)
			if err != nil {
				t.Fatalf("list after %q: %v", r.GetAfter(), err)
			}
			for _, d := range page.GetDocuments() {
				ids = append(ids, d.GetId())
			}
			if !page.GetMore() {
				break
			}
			r.After, r.AsOf = ids[len(ids)-1], page.GetRevision()
		}
		equal(t, "all", strings.Join(ids, " "), "city/0 city/1 city/2 city/4")
		response, err := h.client.Export(t.Context(), &configpb.ExportRequest{})
		mustFail(t, response, err, fault.BadRequest, "prefix")
	})
}

func TestChangesArePushed(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		events := make(chan *configpb.Changed, 100)
		b := h.env.Bus(platformtest.Local)
		for _, topic := range []string{"config.changed", "config.revision"} {
			sub, err := b.Subscribe(t.Context(), platform.Subscription{Topic: topic}, func(_ context.Context, e *platform.Event) error {
				m := new(configpb.Changed)
				if err := proto.Unmarshal(e.Message.Body, m); err != nil {
					return err
				}
				if m.GetRevision() > 0 {
					events <- m
				}
				return nil
			})
			if err != nil {
				t.Fatalf("subscribe: %v", err)
			}
			t.Cleanup(func() { _ = sub.Close() })
		}
		h.set(replace("base", `{}`), replace("city/LON", `{}`))
		if m := <-events; m.GetRevision() != 1 || m.GetPrevious() != 0 || fmt.Sprint(m.GetIds()) != "[base city/LON]" {
			t.Errorf("first %v, want revision 1 after 0 of base and city/LON", m)
		}
		if m := <-events; m.GetRevision() != 1 || len(m.GetIds()) != 0 {
			t.Errorf("then %v, want revision 1 without ids", m)
		}
	})
}
