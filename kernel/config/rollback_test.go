package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

func to(revision, seen uint64) *configpb.RollbackRequest {
	return &configpb.RollbackRequest{What: &configpb.RollbackRequest_To{To: revision}, Seen: seen, Message: "back"}
}

func undo(revision uint64) *configpb.RollbackRequest {
	return &configpb.RollbackRequest{What: &configpb.RollbackRequest_Undo{Undo: revision}, Message: "undo"}
}

func (h *house) rollback(r *configpb.RollbackRequest) *configpb.RollbackResponse {
	h.t.Helper()
	response, err := h.client.Rollback(h.t.Context(), r)
	if err != nil {
		h.t.Fatalf("rollback %v: %v", r, err)
	}
	return response
}

// conflicts writes conflicts as "base /a 3".
func conflicts(r *configpb.RollbackResponse) string {
	var all []string
	for _, c := range r.GetConflicts() {
		all = append(all, fmt.Sprintf("%s %s %d", c.GetId(), c.GetPath(), c.GetRevision()))
	}
	return strings.Join(all, "; ")
}

func TestRollbackToARevision(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"a":1,"b":1}`))             // 1
		h.set(replace("city/LON", `{"x":1}`))               // 2
		h.set(merge("base", `{"a":2}`), remove("city/LON")) // 3
		h.set(replace("city/DUB", `{}`))                    // 4

		one := to(1, 4)
		one.Id = "base"
		one.DryRun = true
		if r := h.rollback(one); changes(r.GetChanges()) != "base /a: 2 -> 1" || r.GetRevision() != 0 || h.read("base") != `{"a":2,"b":1}` {
			t.Errorf("a dry run tells %q at revision %d and leaves %s", changes(r.GetChanges()), r.GetRevision(), h.read("base"))
		}
		one.DryRun = false
		if r := h.rollback(one); r.GetRevision() != 5 {
			t.Errorf("rolled back as revision %d, want 5", r.GetRevision())
		}
		equal(t, "base", h.read("base"), `{"a":1,"b":1}`)

		r := h.rollback(to(2, 5))
		equal(t, "everything", changes(r.GetChanges()), "city/DUB : {} -> \ncity/LON /x:  -> 1")
		equal(t, "city/LON", h.read("city/LON"), `{"x":1}`)
		equal(t, "city/DUB", h.read("city/DUB"), "")
		equal(t, "as of 4, still", h.readAt("city/DUB", 4), "{}")
	})
}

func TestRollbackRefusesWhatTheAuthorHasNotSeen(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"a":1,"b":{"c":1}}`)) // 1
		h.set(merge("base", `{"a":2}`))               // 2
		h.set(merge("base", `{"b":{"c":2}}`))         // 3
		h.set(merge("base", `{"a":3}`))               // 4
		r := h.rollback(to(1, 2))
		equal(t, "conflicts", conflicts(r), "base /b/c 3; base /a 4")
		if r.GetRevision() != 0 || h.read("base") != `{"a":3,"b":{"c":2}}` {
			t.Errorf("refused as revision %d, and base is %s; want nothing written", r.GetRevision(), h.read("base"))
		}
		equal(t, "conflicts with 3 seen", conflicts(h.rollback(to(1, 3))), "base /a 4")
		forced := to(1, 2)
		forced.Force = true
		if r := h.rollback(forced); r.GetRevision() != 5 || h.read("base") != `{"a":1,"b":{"c":1}}` {
			t.Errorf("forced: revision %d, base %s", r.GetRevision(), h.read("base"))
		}
		for _, bad := range []*configpb.RollbackRequest{to(1, 0), to(5, 2), {Message: "x"}, undo(0), to(9, 9), undo(9)} {
			response, err := h.client.Rollback(t.Context(), bad)
			mustFail(t, response, err, fault.BadRequest)
		}
	})
}

func TestUndoLeavesLaterChangesInPlace(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"a":1,"o":5,"p":{"q":1}}`))             // 1
		h.set(merge("base", `{"a":2,"n":{"m":1},"o":{"x":1},"p":"s"}`)) // 2
		h.set(merge("base", `{"later":true}`))                          // 3
		if r := h.rollback(undo(2)); r.GetRevision() != 4 {
			t.Fatalf("undone as revision %d with conflicts %s, want 4", r.GetRevision(), conflicts(r))
		}
		equal(t, "base", h.read("base"), `{"a":1,"later":true,"o":5,"p":{"q":1}}`)

		if got := conflicts(h.rollback(undo(2))); !strings.Contains(got, "base /a 4") {
			t.Errorf("undoing it again conflicts with %q, want the undo itself among them", got)
		}
		h.rollback(undo(4)) // undoing the undo
		equal(t, "base", h.read("base"), `{"a":2,"later":true,"n":{"m":1},"o":{"x":1},"p":"s"}`)
	})
}

func TestUndoOfMakingAndDeletingIsAboutTheWholeDocument(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("city/LON", `{"a":1}`)) // 1
		h.set(merge("city/LON", `{"b":1}`))   // 2
		equal(t, "undo the making", conflicts(h.rollback(undo(1))), "city/LON /b 2")
		h.set(remove("city/LON")) // 3
		if r := h.rollback(undo(3)); r.GetRevision() != 4 || h.read("city/LON") != `{"a":1,"b":1}` {
			t.Errorf("undo of the deletion: revision %d, %s", r.GetRevision(), h.read("city/LON"))
		}
		forced := undo(1)
		forced.Force = true
		h.rollback(forced)
		equal(t, "the making undone by force", h.read("city/LON"), "")
	})
}

func TestRollbacksSatisfySchemas(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("city/LON", `{}`))
		h.set(replace("city/LON", `{"name":"London"}`))
		h.set(replace("schema/city", citySchema))
		r := to(1, 3)
		r.Id = "city/LON"
		response, err := h.client.Rollback(t.Context(), r)
		mustFail(t, response, err, fault.BadRequest, "city/LON: missing property 'name'")
		r.Id = "" // with the schema gone too, all is well
		if r := h.rollback(r); r.GetRevision() != 4 {
			t.Errorf("everything back as revision %d, want 4", r.GetRevision())
		}
	})
}
