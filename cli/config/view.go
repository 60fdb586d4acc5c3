package config

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// What -o json prints: documents and values as JSON, where the messages have bytes.
type (
	stored struct {
		ID       string          `json:"id"`
		JSON     json.RawMessage `json:"json,omitempty"`
		Revision uint64          `json:"revision"`
		Author   string          `json:"author"`
		Message  string          `json:"message"`
		At       time.Time       `json:"at"`
	}
	change struct {
		ID     string          `json:"id"`
		Path   string          `json:"path"`             // JSON Pointer
		Before json.RawMessage `json:"before,omitempty"` // missing: absent
		After  json.RawMessage `json:"after,omitempty"`
	}
	conflict struct {
		ID       string `json:"id"`
		Path     string `json:"path"`
		Revision uint64 `json:"revision"`
		Author   string `json:"author"`
		Message  string `json:"message"`
	}
	revision struct {
		Revision uint64    `json:"revision"`
		Author   string    `json:"author"`
		Message  string    `json:"message"`
		At       time.Time `json:"at"`
		IDs      []string  `json:"ids"`
		Changes  []change  `json:"changes,omitempty"`
	}
	// outcome of what changes, or might change, documents.
	outcome struct {
		Revision  uint64     `json:"revision"`
		DryRun    bool       `json:"dry_run"`
		Changes   []change   `json:"changes"`
		Conflicts []conflict `json:"conflicts,omitempty"`
	}
)

func storedOf(d *configpb.Document) stored {
	return stored{d.GetId(), d.GetJson(), d.GetRevision(), d.GetAuthor(), d.GetMessage(), d.GetAt().AsTime()}
}

func changesOf(all []*configpb.Change) []change {
	list := make([]change, len(all))
	for i, c := range all {
		list[i] = change{c.GetId(), c.GetPath(), c.GetBefore(), c.GetAfter()}
	}
	return list
}

func conflictsOf(all []*configpb.Conflict) []conflict {
	var list []conflict
	for _, c := range all {
		list = append(list, conflict{c.GetId(), c.GetPath(), c.GetRevision(), c.GetAuthor(), c.GetMessage()})
	}
	return list
}

func revisionOf(r *configpb.Revision) revision {
	return revision{r.GetRevision(), r.GetAuthor(), r.GetMessage(), r.GetAt().AsTime(), r.GetIds(), changesOf(r.GetChanges())}
}

// printChanges writes one line for each leaf that differs, those of a document
// together:
//
//	base
//	  /hansom/gateway/timeout  "5s" -> "50ms"
func printChanges(w io.Writer, all []*configpb.Change) error {
	t := output.NewList(w)
	last := ""
	for i, c := range all {
		if i == 0 || c.GetId() != last {
			last = c.GetId()
			t.Row(output.Line(last))
		}
		path := c.GetPath()
		if path == "" {
			path = "(all of it)"
		}
		t.Row("  "+output.Line(path), Difference(string(c.GetBefore()), string(c.GetAfter())))
	}
	return t.Flush()
}

// Difference is how a leaf changed; values are JSON, "" for absent.
func Difference(before, after string) string {
	switch {
	case before == "":
		return "added " + output.Line(after)
	case after == "":
		return "removed " + output.Line(before)
	}
	return fmt.Sprintf("%s -> %s", output.Line(before), output.Line(after))
}
