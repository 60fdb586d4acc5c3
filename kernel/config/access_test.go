package config_test

import (
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

func TestAGrantIsForDocumentsThatStandApart(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.env.Grant("core.city", "kernel.config", "update")
		city := h.as("core.city")
		if _, err := city.Update(t.Context(), update(replace("city/LON", `{"a":1}`))); err != nil {
			t.Fatalf("core.city writes city/LON with a grant: %v", err)
		}
		for _, id := range []string{"base", "env/test/core.city", "schema/city"} {
			response, err := city.Update(t.Context(), update(replace("city/DUB", `{}`), replace(id, `{}`)))
			mustFail(t, response, err, fault.Forbidden)
		}
		equal(t, "city/DUB", h.read("city/DUB"), "")
	})
}

func TestTheHistoryNamesWhoItWas(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.env.Grant("core.city", "kernel.config", "update")
		h.update(h.env.As(t.Context(), "alice", platform.RoleAdmin), update(replace("base", `{"a":1}`)))
		acting := platform.WithToken(t.Context(), h.env.Token(auth.User{ID: "bob", Actor: "alice", Roles: []string{platform.RoleAdmin}}))
		h.update(acting, update(replace("base", `{"a":2}`)))
		if _, err := h.as("core.city").Update(t.Context(), update(replace("city/LON", `{}`))); err != nil {
			t.Fatal(err)
		}
		got, err := h.client.History(t.Context(), &configpb.HistoryRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var authors string
		for _, r := range got.GetRevisions() {
			authors += r.GetAuthor() + ", " + r.GetMessage() + "; "
		}
		equal(t, "authors", authors, "core.city, a test; alice as bob, a test; alice, a test; ")
	})
}

func TestOnlyAdministratorsLookAround(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{}`))
		ctx := h.env.As(t.Context(), "carol", "CUSTOMER")
		for name, call := range map[string]func() (any, error){
			"compile":  func() (any, error) { return h.client.Compile(ctx, layers("core.eta", "")) },
			"read":     func() (any, error) { return h.client.Read(ctx, &configpb.ReadRequest{Id: "base"}) },
			"update":   func() (any, error) { return h.client.Update(ctx, update(replace("base", `{"a":1}`))) },
			"explain":  func() (any, error) { return h.client.Explain(ctx, &configpb.ExplainRequest{}) },
			"diff":     func() (any, error) { return h.client.Diff(ctx, &configpb.DiffRequest{}) },
			"export":   func() (any, error) { return h.client.Export(ctx, &configpb.ExportRequest{}) },
			"history":  func() (any, error) { return h.client.History(ctx, &configpb.HistoryRequest{}) },
			"rollback": func() (any, error) { return h.client.Rollback(ctx, to(1, 1)) },
			"status":   func() (any, error) { return h.client.Status(ctx, &configpb.StatusRequest{}) },
		} {
			if response, err := call(); !fault.Is(err, fault.Forbidden) {
				t.Errorf("a customer may %s: %v, %v; want FORBIDDEN", name, response, err)
			}
		}
	})
}
