package config

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/cli/factory"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/proto/rpc"
)

func TestStatusLine(t *testing.T) {
	status := func(stale int) *configpb.StatusResponse {
		r := &configpb.StatusResponse{Revision: 71}
		for i := range 186 {
			s := &configpb.InstanceStatus{Instance: fmt.Sprintf("core.eta-%d", i), Stale: i < stale}
			if i == 0 && stale > 0 {
				s.Problem = "it does not say"
			}
			r.Instances = append(r.Instances, s)
		}
		return r
	}
	for stale, want := range map[int]string{
		0:  "186 of 186 on revision 71",
		2:  "184 of 186 on revision 71; stale: core.eta-0 (it does not say), core.eta-1",
		12: "174 of 186 on revision 71; stale: core.eta-0 (it does not say), core.eta-1, core.eta-2, core.eta-3, core.eta-4, core.eta-5, core.eta-6, core.eta-7, core.eta-8, core.eta-9, and 2 more; -v lists all",
	} {
		if got := statusLine(status(stale)); got != want {
			t.Errorf("%d stale:\nwant %s\ngot  %s", stale, want, got)
		}
	}
}

func TestWhatAWatchIsFor(t *testing.T) {
	all := []string{"base", "base/core.eta", "base/core.city", "region/eu", "region/eu/core.eta", "env/prod", "env/prod/core.city", "city/LON", "schema/city"}
	for of, want := range map[string]string{
		"":         strings.Join(all, " "),
		"core.eta": "base base/core.eta region/eu region/eu/core.eta env/prod",
		"city/":    "city/LON",
		"base":     "base base/core.eta base/core.city",
		"env/prod": "env/prod env/prod/core.city",
	} {
		var got []string
		for _, id := range all {
			if concerns(of, id) {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: want %s, got %s", of, want, strings.Join(got, " "))
		}
	}
}

func TestChangesOfADocumentStandTogether(t *testing.T) {
	var out bytes.Buffer
	err := printChanges(&out, []*configpb.Change{
		{Id: "base", Path: "/a", Before: []byte("1"), After: []byte("2")},
		{Id: "base", Path: "/longer", After: []byte(`"new"`)},
		{Id: "city/LON", Path: "", Before: []byte("{}")},
	})
	want := strings.TrimPrefix(`
base
  /a       1 -> 2
  /longer  added "new"
city/LON
  (all of it)  removed {}
`, "\n")
	if err != nil || out.String() != want {
		t.Errorf("want\n%s\ngot\n%s\n%v", want, out.String(), err)
	}
}

// log is a kernel.config with a history of so many revisions, in pages of two.
type log uint64

// Call implements rpc.Caller.
func (l log) Call(_ context.Context, _ *rpc.Endpoint, request, response proto.Message) error {
	r := request.(*configpb.HistoryRequest)
	next := uint64(l)
	if r.GetBefore() > 0 {
		next = r.GetBefore() - 1
	}
	page := &configpb.HistoryResponse{}
	for ; next > 0 && len(page.GetRevisions()) < 2; next-- {
		page.Revisions = append(page.Revisions, &configpb.Revision{Revision: next, Ids: []string{"base"}})
	}
	page.More = next > 0
	proto.Merge(response, page)
	return nil
}

func TestAWatchLeavesNoRevisionOut(t *testing.T) {
	for last, want := range map[uint64]string{0: "1 2 3 4 5 6 7", 3: "4 5 6 7", 6: "7", 7: ""} {
		missed, err := since(t.Context(), &client{ConfigClient: configpb.NewConfigClient(log(7))}, last)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range missed {
			got = append(got, fmt.Sprint(r.GetRevision()))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after %d: want %s, got %s", last, want, got)
		}
	}
}

func TestEventsLeaveTheNewestRevision(t *testing.T) {
	news := make(chan uint64, 1)
	for _, revision := range []uint64{3, 5, 4} {
		body, err := proto.Marshal(&configpb.Changed{Revision: revision})
		if err == nil {
			err = hear(news)(t.Context(), &bus.Event{Topic: "config.changed", Message: &bus.Message{Body: body}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := <-news; got != 5 {
		t.Errorf("want 5 of 3, 5, 4, got %d", got)
	}
}

func TestWhatIsNoJSONObjectIsToldBeforeAnybodyIsAsked(t *testing.T) {
	f := &factory.Factory{In: strings.NewReader("[1]")}
	for argument, want := range map[string]string{
		"[]":         "the argument is no JSON object: want one such as",
		"null":       "the argument is no JSON object: want one such as",
		`{"a":`:      "the argument is no JSON object: unexpected end",
		"-":          "standard input is no JSON object",
		"@/nosuch/x": "read the document: open /nosuch/x",
	} {
		if _, err := readJSON(f, argument); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error with %q, got %v", argument, want, err)
		}
	}
	if data, err := readJSON(f, `{"a":1}`); err != nil || string(data) != `{"a":1}` {
		t.Errorf("want the object, got %s, %v", data, err)
	}
}
