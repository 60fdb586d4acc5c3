package config

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// shelf is a kernel.config with one document.
type shelf struct {
	document []byte // nil: none
	revision uint64
	refuse   string // what it refuses a document for that contains it
	meddle   func() // what others do just before the next update
	written  []*configpb.UpdateRequest
}

// Call implements rpc.Caller.
func (s *shelf) Call(_ context.Context, _ *rpc.Endpoint, request, response proto.Message) error {
	switch r := request.(type) {
	case *configpb.ReadRequest:
		if s.document == nil {
			return fault.New(fault.NotFound, "kernel.config.not_found", "there is no document")
		}
		proto.Merge(response, &configpb.ReadResponse{Document: &configpb.Document{Id: r.GetId(), Json: s.document, Revision: s.revision}})
	case *configpb.UpdateRequest:
		if s.meddle != nil {
			s.meddle()
			s.meddle = nil
		}
		e := r.GetEdits()[0]
		switch {
		case e.GetExpectedRevision() != s.revision || !e.GetCheckRevision():
			return fault.New(fault.Conflict, "kernel.config.conflict", "base is at revision 9, by bob")
		case s.refuse != "" && bytes.Contains(e.GetJson(), []byte(s.refuse)):
			return fault.New(fault.BadRequest, "kernel.config.schema", "base at /a: no %s here", s.refuse)
		}
		s.document, s.revision = e.GetJson(), s.revision+1
		s.written = append(s.written, r)
		proto.Merge(response, &configpb.UpdateResponse{Revision: s.revision})
	}
	return nil
}

// tryEdit edits with one step for each time that the editor opens. A step gets the text
// and returns what is saved. It returns all that the editor showed.
func tryEdit(t *testing.T, s *shelf, message string, steps ...func(string) (string, error)) (shown []string, err error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	f := &factory.Factory{Out: new(bytes.Buffer), Err: new(bytes.Buffer), Edit: func(_ context.Context, path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if len(shown) == len(steps) {
			t.Fatalf("the editor opened once more than wanted, with\n%s", text)
		}
		shown = append(shown, string(text))
		saved, failed := steps[len(shown)-1](string(text))
		return errors.Join(failed, os.WriteFile(path, []byte(saved), 0o600))
	}}
	o := &EditOptions{common: common{Format: output.Text}, ID: "base", Message: message}
	e := &editing{f: f, o: o, config: &client{ConfigClient: configpb.NewConfigClient(s)}}
	if err := e.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return shown, e.run(t.Context())
}

func replace(old, with string) func(string) (string, error) {
	return func(text string) (string, error) { return strings.ReplaceAll(text, old, with), nil }
}

func keep(text string) (string, error) { return text, nil }

func kept(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range entries {
		text, err := os.ReadFile(os.Getenv("TMPDIR") + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

func TestEditWritesWhatTheEditorSaved(t *testing.T) {
	s := &shelf{document: []byte(`{"a":1}`), revision: 7}
	shown, err := tryEdit(t, s, "", func(text string) (string, error) {
		return strings.Replace(strings.Replace(text, "1", "2", 1), "# message:", "# message: two is better", 1), nil
	})
	if err != nil || len(s.written) != 1 {
		t.Fatalf("want one write, got %v, %v", s.written, err)
	}
	if !strings.Contains(shown[0], "# base, revision 7.") || !strings.HasSuffix(shown[0], "{\n  \"a\": 1\n}\n") {
		t.Errorf("want the revision above the indented document, got\n%s", shown[0])
	}
	if w := s.written[0]; w.GetMessage() != "two is better" || !same(w.GetEdits()[0].GetJson(), []byte(`{"a":2}`)) {
		t.Errorf("want {\"a\":2} and its message, got %v", w)
	}
	if files := kept(t); len(files) > 0 {
		t.Errorf("want no file left, got %q", files)
	}
}

func TestEditThatChangesNothingWritesNothing(t *testing.T) {
	s := &shelf{document: []byte(`{"a":1}`), revision: 7}
	if _, err := tryEdit(t, s, "m", keep); err != nil || len(s.written) > 0 || len(kept(t)) > 0 {
		t.Errorf("want no error, no write and no file, got %v, %v, %q", err, s.written, kept(t))
	}
}

func TestEditOpensAgainWithTheReason(t *testing.T) {
	s := &shelf{document: []byte(`{"a":1}`), revision: 7, refuse: "13"}
	shown, err := tryEdit(t, s, "m", replace("1", "13"), replace("13", "}"), replace(" }", " 3"))
	if err != nil || len(s.written) != 1 || !same(s.document, []byte(`{"a":3}`)) {
		t.Fatalf("want {\"a\":3} written, got %s, %v", s.document, err)
	}
	for n, want := range map[int]string{1: "# PROBLEM: base at /a: no 13 here\n", 2: "# PROBLEM: the text is no JSON object: "} {
		if !strings.HasPrefix(shown[n], want) {
			t.Errorf("opened %d times: want first %q, got\n%s", n+1, want, shown[n])
		}
	}
}

func TestEditThatGivesUpKeepsTheText(t *testing.T) {
	s := &shelf{document: []byte(`{"a":1}`), revision: 7, refuse: "13"}
	_, err := tryEdit(t, s, "m", replace("1", "13"), keep)
	if err == nil || !strings.Contains(err.Error(), "no 13 here; your text is kept in ") {
		t.Errorf("want an error with the reason and the file, got %v", err)
	}
	if files := kept(t); len(files) != 1 || !strings.Contains(files[0], `"a": 13`) {
		t.Errorf("want the text kept, got %q", files)
	}
}

func TestEditThatFailsKeepsTheText(t *testing.T) {
	s := &shelf{document: []byte(`{"a":1}`), revision: 7}
	_, err := tryEdit(t, s, "m", func(text string) (string, error) {
		return strings.Replace(text, "1", "2", 1), errors.New("the editor fell over")
	})
	if err == nil || !strings.Contains(err.Error(), "the editor fell over; your text is kept in ") || len(kept(t)) != 1 {
		t.Errorf("want the editor's error and the text kept, got %v, %q", err, kept(t))
	}
}

func TestEditPutsItsChangesOnTopOfOthers(t *testing.T) {
	s := &shelf{document: []byte(`{"a":1,"b":1}`), revision: 7}
	s.meddle = func() { s.document, s.revision = []byte(`{"a":1,"b":5,"c":6}`), 9 }
	shown, err := tryEdit(t, s, "m", replace(`"a": 1`, `"a": 2`), keep)
	if err != nil || !same(s.document, []byte(`{"a":2,"b":5,"c":6}`)) {
		t.Fatalf("want both changes, got %s, %v", s.document, err)
	}
	if !strings.HasPrefix(shown[1], "# PROBLEM: base is at revision 9, by bob\n") || !strings.Contains(shown[1], "# base, revision 9.") {
		t.Errorf("want told who was faster, got\n%s", shown[1])
	}
}

func TestEditMakesADocumentThatIsNotThere(t *testing.T) {
	s := &shelf{}
	if _, err := tryEdit(t, s, "m", replace("{}", `{"a": 1}`)); err != nil || !same(s.document, []byte(`{"a":1}`)) {
		t.Errorf("want {\"a\":1}, got %s, %v", s.document, err)
	}
}

func TestEditNeedsAMessage(t *testing.T) {
	s := &shelf{document: []byte(`{"a":1}`), revision: 7}
	shown, err := tryEdit(t, s, "", replace("1", "2"), replace("# message:", "# message: why not"))
	if err != nil || s.written[0].GetMessage() != "why not" || !strings.HasPrefix(shown[1], "# PROBLEM: the message is missing") {
		t.Errorf("want it asked for, got %v, %v, %q", s.written, err, shown)
	}
}
