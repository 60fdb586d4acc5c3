package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/driver"
	"github.com/hansom-platform/hansom/store/memstore"
)

func TestABadTableNamePanics(t *testing.T) {
	s := store.New(memstore.New())
	for _, name := range []string{"", "A", "1a", "_a", "a-b", "a.b", "é", strings.Repeat("a", 49)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Table(%q): want a panic, got none", name)
				}
			}()
			s.Table(name)
		}()
	}
	for _, name := range []string{"a", "config_history", "a1_", strings.Repeat("a", 48)} {
		s.Table(name)
	}
}

// failing is a driver whose calls fail with err.
type failing struct {
	driver.Store
	err error
}

func (f failing) Get(context.Context, driver.Partition, string) (driver.Record, error) {
	return driver.Record{}, f.err
}

func (f failing) Apply(context.Context, driver.Partition, []driver.Op) ([]driver.Record, error) {
	return nil, f.err
}

func TestErrorsNameOperationAndTableButNotTheKeyToCallers(t *testing.T) {
	full := fault.New(fault.Unavailable, store.ReasonFull, "no space is left")
	for _, c := range []struct {
		name   string
		err    error
		code   fault.Code
		reason string
	}{
		{"an engine's fault", full, fault.Unavailable, store.ReasonFull},
		{"a deadline", fmt.Errorf("write: %w", context.DeadlineExceeded), fault.Timeout, store.ReasonTimeout},
		{"a cancellation", context.Canceled, fault.Unavailable, "store.cancelled"},
		{"anything else", errors.New("driver bug"), fault.Internal, "store.internal"},
		{"a refusal", &driver.Refused{Revision: 7}, fault.Conflict, store.ReasonConflict},
	} {
		tb := store.New(failing{err: c.err}).Table("users")
		_, err := tb.CompareAndSet(t.Context(), store.Key{Partition: "alice", Clustering: "secret"}, nil, 3)
		f := fault.From(err)
		if f.Code != c.code || f.Reason != c.reason {
			t.Errorf("%s: want %v %s, got %v", c.name, c.code, c.reason, err)
		}
		if !strings.Contains(f.Message, "store: compare-and-set users: ") || strings.Contains(f.Message, "alice") {
			t.Errorf("%s: want a message with operation and table and no key, got %q", c.name, f.Message)
		}
		if !strings.Contains(f.Detail, `"alice" "secret"`) {
			t.Errorf("%s: want the key in the operator's detail, got %q", c.name, f.Detail)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%s: want the driver's error in the chain of %v", c.name, err)
		}
	}
}

func TestABatchesRefusalNamesTheOperation(t *testing.T) {
	tb := store.New(failing{err: &driver.Refused{Op: 1, Revision: 9}}).Table("users")
	_, err := tb.Batch(t.Context(), "p", store.PutOp("a", nil), store.CreateOp("b", nil))
	f := fault.From(err)
	if f.Reason != store.ReasonExists || !strings.Contains(f.Message, "batch: operation 1: create users") ||
		!strings.Contains(f.Detail, "current revision 9") {
		t.Errorf("want store.exists of operation 1 with the current revision in its detail, got %v", err)
	}
}

func ExampleTable_CompareAndSet() {
	ctx := context.Background()
	table := store.New(memstore.New()).Table("settings")
	key := store.Key{Partition: "city", Clustering: "LON"}

	first, _ := table.Create(ctx, key, []byte("speed 30"))
	_, err := table.CompareAndSet(ctx, key, []byte("speed 20"), first.Revision)
	fmt.Println("mine:", err)

	_, err = table.CompareAndSet(ctx, key, []byte("speed 50"), first.Revision) // somebody who read before that
	fmt.Println("theirs:", fault.ReasonOf(err))
	// Output:
	// mine: <nil>
	// theirs: store.conflict
}

func ExampleTable_All() {
	ctx := context.Background()
	table := store.New(memstore.New()).Table("history")
	for _, day := range []string{"2026-11-21", "2026-11-23", "2026-11-22"} {
		_, _ = table.Put(ctx, store.Key{Partition: "base", Clustering: day}, nil)
	}
	for record, err := range table.All(ctx, "base", store.Range{From: "2026-11-22", Reverse: true}) {
		fmt.Println(record.Key.Clustering, err)
	}
	// Output:
	// 2026-11-23 <nil>
	// 2026-11-22 <nil>
}
