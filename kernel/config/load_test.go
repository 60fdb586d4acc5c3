package config_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// Ten thousand documents are loaded, found, and read again by an instance that starts.
func TestTenThousandDocuments(t *testing.T) {
	if testing.Short() {
		return
	}
	const documents, each = 10_000, 100
	h := newHouse(t, platformtest.New(t), openFile(t, filepath.Join(t.TempDir(), "x.db")))
	h.start("none")
	h.set(replace("schema/city", `{"pattern":"city/*","schema":{"required":["name"]}}`))
	start := time.Now()
	for from := 0; from < documents; from += each {
		var edits []*configpb.Edit
		for i := from; i < from+each; i++ {
			edits = append(edits, replace(fmt.Sprintf("city/%05d", i), fmt.Sprintf(`{"name":"city %d","at":[%d,2],"fares":{"base":%d,"km":1.5}}`, i, i, i)))
		}
		h.set(edits...)
	}
	t.Logf("loaded %d documents in %v", documents, time.Since(start))
	if r := h.rollback(to(1, 101)); r.GetRevision() != 102 || int(r.GetOmitted())+len(r.GetChanges()) != 4*documents {
		t.Errorf("everything back: revision %d, %d changes and %d more; want 102 and %d in all", r.GetRevision(), len(r.GetChanges()), r.GetOmitted(), 4*documents)
	}
	h.rollback(undo(102))

	start = time.Now()
	h.start("none")
	t.Logf("another instance started in %v", time.Since(start))
	equal(t, "the last", h.read("city/09999"), `{"at":[9999,2],"fares":{"base":9999,"km":1.5},"name":"city 9999"}`)
}
