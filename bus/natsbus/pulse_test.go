//go:build unix

package natsbus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// envServe makes this test binary a process that serves on the bus of that URL.
const envServe = "HANSOM_TEST_SERVE"

// serveJournal serves until standard input ends. Each reply tells what was handled before.
func serveJournal(url string) error {
	ctx := context.Background()
	d, err := Open(ctx, Config{URL: url, Zone: zoneA, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	b := bus.New(d)
	defer b.Close(ctx)
	var mu sync.Mutex
	var handled []string
	_, err = b.Serve(ctx, "core.eta-1", func(_ context.Context, m *bus.Message) *bus.Message {
		mu.Lock()
		defer mu.Unlock()
		handled = append(handled, string(m.Body))
		return &bus.Message{Body: []byte(strings.Join(handled, " "))}
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func startServing(t *testing.T, url string) *os.Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envServe+"="+url)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the serving process: %v", err)
		}
	})
	return cmd.Process
}

// A request that waited in the socket of a stopped process until its budget was spent
// is not handled when the process goes on, and later ones are.
func TestStoppedProcessHandlesNothingLate(t *testing.T) {
	e := startEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	d, err := Open(ctx, e.config(zoneA))
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(d)
	defer b.Close(ctx)
	call := func(body string, budget time.Duration) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, budget)
		defer cancel()
		answer, err := b.RequestTo(ctx, "core.eta-1", &bus.Message{Body: []byte(body)})
		if err != nil {
			return "", err
		}
		return string(answer.Body), nil
	}
	const budget = 500 * time.Millisecond
	await := func(body string) (handled string) {
		for handled, err = call(body, budget); err != nil; handled, err = call(body, budget) {
			if ctx.Err() != nil {
				t.Fatalf("the process did not answer %q: %v", body, err)
			}
		}
		return handled
	}
	process := startServing(t, e.url())
	await("early")
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	var late []string
	for i := 0; len(late) < 3; i++ { // a signal takes a moment
		body := fmt.Sprint("late-", i)
		_, err := call(body, budget)
		switch {
		case fault.Is(err, fault.Timeout):
			late = append(late, body)
		case err != nil || ctx.Err() != nil:
			t.Fatalf("request %s to a stopped process: got %v; want TIMEOUT", body, err)
		}
	}
	<-time.After(time.Until(stopped.Add(3 * driver.Standstill)))
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	handled := strings.Fields(await("after"))
	for _, body := range late {
		if slices.Contains(handled, body) {
			t.Errorf("%s was handled after its budget was spent; handled in all: %s", body, handled)
		}
	}
}
