package config_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

var key = []byte("0123456789abcdef0123456789abcdef")

// house is a platform in memory with instances of kernel.config on one store.
type house struct {
	t      *testing.T
	env    *platformtest.Env
	store  *store.Store
	client *configpb.ConfigClient // of an administrator
}

func in(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		h := newHouse(t, env, store.New(memstore.New()))
		h.start("none")
		f(t, h)
	})
}

func newHouse(t *testing.T, env *platformtest.Env, st *store.Store) *house {
	return &house{t: t, env: env, store: st, client: configpb.NewConfigClient(env.Client())}
}

func (h *house) start(listen string) *config.Service {
	h.t.Helper()
	s := config.New(h.store, config.Config{Environment: "test", Region: "local", Listen: listen, Key: key},
		platform.Logger(h.env.Logger()), platform.Place(platformtest.Local))
	h.env.Start(s.Service)
	return s
}

// as is a client of a service.
func (h *house) as(service string) *configpb.ConfigClient {
	h.t.Helper()
	return configpb.NewConfigClient(h.env.ClientAs(service))
}

func replace(id, json string) *configpb.Edit {
	return &configpb.Edit{Id: id, Kind: configpb.Edit_KIND_REPLACE, Json: []byte(json)}
}

func merge(id, json string) *configpb.Edit {
	return &configpb.Edit{Id: id, Kind: configpb.Edit_KIND_MERGE, Json: []byte(json)}
}

func remove(id string) *configpb.Edit {
	return &configpb.Edit{Id: id, Kind: configpb.Edit_KIND_DELETE}
}

func update(edits ...*configpb.Edit) *configpb.UpdateRequest {
	return &configpb.UpdateRequest{Edits: edits, Message: "a test"}
}

// set makes a change that must succeed and returns its revision.
func (h *house) set(edits ...*configpb.Edit) uint64 {
	h.t.Helper()
	return h.update(h.t.Context(), update(edits...)).GetRevision()
}

func (h *house) update(ctx context.Context, r *configpb.UpdateRequest) *configpb.UpdateResponse {
	h.t.Helper()
	response, err := h.client.Update(ctx, r)
	if err != nil {
		h.t.Fatalf("update %v: %v", r.GetEdits(), err)
	}
	return response
}

// refused makes a change that must be refused, with a message that has all these words.
func (h *house) refused(r *configpb.UpdateRequest, code fault.Code, words ...string) {
	h.t.Helper()
	response, err := h.client.Update(h.t.Context(), r)
	mustFail(h.t, response, err, code, words...)
}

func mustFail(t *testing.T, response any, err error, code fault.Code, words ...string) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("got %v, %v; want %v", response, err, code)
	}
	for _, w := range words {
		if !strings.Contains(fault.From(err).Message, w) {
			t.Errorf("the message is %q; want %q in it", fault.From(err).Message, w)
		}
	}
}

func (h *house) read(id string) string {
	h.t.Helper()
	return h.readAt(id, 0)
}

func (h *house) readAt(id string, revision uint64) string {
	h.t.Helper()
	r, err := h.client.Read(h.t.Context(), &configpb.ReadRequest{Id: id, AsOf: revision})
	if fault.Is(err, fault.NotFound) {
		return ""
	}
	if err != nil {
		h.t.Fatalf("read %s as of %d: %v", id, revision, err)
	}
	return string(r.GetDocument().GetJson())
}

func (h *house) compile(c *configpb.ConfigClient, r *configpb.CompileRequest) *configpb.CompileResponse {
	h.t.Helper()
	response, err := c.Compile(h.t.Context(), r)
	if err != nil {
		h.t.Fatalf("compile %v: %v", r, err)
	}
	return response
}

func layers(service, region string) *configpb.CompileRequest {
	return &configpb.CompileRequest{Layers: &configpb.Layers{Service: service, Region: region}}
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s\nwant %s", what, got, want)
	}
}

// changes writes changes as lines such as "base /a: 1 -> 2".
func changes(all []*configpb.Change) string {
	var lines []string
	for _, c := range all {
		lines = append(lines, c.GetId()+" "+c.GetPath()+": "+string(c.GetBefore())+" -> "+string(c.GetAfter()))
	}
	return strings.Join(lines, "\n")
}

// await waits for a condition.
func await(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("want %s within %v; it did not happen", what, limit)
		}
	}
}

func testLogger(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
