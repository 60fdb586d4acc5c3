package config_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// operation is what a client did: a read, or a compare-and-set from the value that it read to a new one.
type operation struct{ expected, value string }

// outcome is what came of it: the value read, or how the compare-and-set ended.
type outcome struct{ read, cas string }

const (
	won     = "won"
	lost    = "lost"
	unknown = "unknown"
)

// register is a document whose values are all different.
var register = porcupine.NondeterministicModel{
	Init: func() []any { return []any{"{}"} },
	Step: func(state, input, output any) []any {
		in, out := input.(operation), output.(outcome)
		same := []any{state}
		switch {
		case in.value == "":
			return only(same, out.read == state)
		case out.cas == won:
			return only([]any{in.value}, state == in.expected)
		case out.cas == lost:
			return only(same, state != in.expected)
		case state == in.expected: // nobody knows
			return append(same, in.value)
		}
		return same
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " -> ", output) },
}

func only(states []any, allowed bool) []any {
	if allowed {
		return states
	}
	return nil
}

// fleet are instances on one file that are killed and replaced.
type fleet struct {
	*house
	path string

	mu   sync.Mutex
	live []*config.Service
}

func (f *fleet) pick(n int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live[n%len(f.live)].ID()
}

func (f *fleet) add() {
	f.house.store = openFile(f.t, f.path)
	s := f.start("none")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = append(f.live, s)
}

// replace kills the oldest instance once another one has taken its place.
func (f *fleet) replace() {
	f.add()
	f.mu.Lock()
	oldest := f.live[0]
	f.live = f.live[1:]
	f.mu.Unlock()
	f.env.Kill(oldest.Service)
}

func TestConcurrentWritesAreLinearizableUnderRestarts(t *testing.T) {
	const clients, each, restarts = 6, 40, 4
	f := &fleet{house: newHouse(t, platformtest.New(t), nil), path: filepath.Join(t.TempDir(), "x.db")}
	for range 3 {
		f.add()
	}
	f.set(replace("base", `{}`))

	var wg sync.WaitGroup
	done := make(chan struct{}, clients*each)
	recorded := make([][]porcupine.Operation, clients)
	for c := range clients {
		wg.Go(func() {
			for n := range each {
				recorded[c] = append(recorded[c], f.step(c, n)...)
				done <- struct{}{}
			}
		})
	}
	for range restarts {
		for range clients * each / (restarts + 1) {
			<-done
		}
		f.replace()
	}
	wg.Wait()

	var history []porcupine.Operation
	wins := 0
	for _, of := range recorded {
		for _, o := range of {
			if out := o.Output.(outcome); out.cas == won {
				wins++
			}
			history = append(history, o)
		}
	}
	if wins < 10 {
		t.Errorf("only %d of %d writes succeeded: the history shows little", wins, clients*each)
	}
	if !porcupine.CheckOperations(register.ToModel(), history) {
		t.Errorf("the history of %d operations is not linearizable", len(history))
	}
}

// step reads the document and writes it anew, each at whatever instance is next.
func (f *fleet) step(client, n int) []porcupine.Operation {
	start := time.Now().UnixNano()
	at, err := f.client.Read(f.asked(client+n), &configpb.ReadRequest{Id: "base"})
	if err != nil {
		return nil // a read that failed says nothing
	}
	read := porcupine.Operation{
		ClientId: client, Call: start, Return: time.Now().UnixNano(),
		Input: operation{}, Output: outcome{read: string(at.GetDocument().GetJson())},
	}
	value := fmt.Sprintf(`{"n":"%d-%d"}`, client, n)
	edit := replace("base", value)
	edit.ExpectedRevision = at.GetDocument().GetRevision()
	write := porcupine.Operation{
		ClientId: client, Call: time.Now().UnixNano(),
		Input: operation{expected: string(at.GetDocument().GetJson()), value: value},
	}
	_, err = f.client.Update(f.asked(client+n+1), update(edit))
	write.Return = time.Now().UnixNano()
	switch {
	case err == nil:
		write.Output = outcome{cas: won}
	case fault.Is(err, fault.Conflict):
		write.Output = outcome{cas: lost}
	default: // it may take effect at any time, and so the client is somebody else from here on
		write.Output, write.Return = outcome{cas: unknown}, time.Now().Add(time.Hour).UnixNano()
		write.ClientId = 1000*(n+1) + client
	}
	return []porcupine.Operation{read, write}
}

// asked directs calls to one instance, which has two seconds.
func (f *fleet) asked(n int) context.Context {
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Second)
	f.t.Cleanup(cancel)
	return platform.To(ctx, f.pick(n))
}
