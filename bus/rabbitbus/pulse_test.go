//go:build unix

package rabbitbus

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

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// envServe makes this test binary a process that serves on the bus of that URL.
const envServe = "HANSOM_TEST_SERVE"

func TestMain(m *testing.M) {
	if url := os.Getenv(envServe); url != "" {
		if err := serveJournal(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveJournal serves until standard input ends. Each reply tells what was handed over with a budget before.
func serveJournal(url string) error {
	ctx := context.Background()
	c, err := open(ctx, Config{URL: url, Zone: zoneA, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var mu sync.Mutex
	var handled []string
	_, err = c.Serve(ctx, "stopped-1", func(m *driver.Message, r driver.Replier) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(m.Header.Get(driver.HeaderBudget), "-") {
			return // package bus drops it
		}
		handled = append(handled, string(m.Body))
		_ = r.Reply(&driver.Message{Body: []byte(strings.Join(handled, " "))})
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func startServing(t *testing.T, url string) *os.Process {
	t.Helper()
	cmd := exec.Command(must(os.Executable())(t))
	cmd.Env = append(os.Environ(), envServe+"="+url)
	cmd.Stderr = os.Stderr
	stdin := must(cmd.StdinPipe())(t)
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

// A request that waited for a stopped process until its budget was spent is not handled when the
// process goes on, and later ones are.
func testStoppedProcess(t *testing.T, e *engine) {
	c := e.connect(zoneA)
	const budget = 500 * time.Millisecond
	call := func(body string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		answer, err := c.Request(ctx, "stopped-1", withBudget(ctx, &driver.Message{Body: []byte(body)}))
		if err != nil {
			return "", err
		}
		return string(answer.Body), nil
	}
	process := startServing(t, e.broker("a").URL())
	eventually(t, "the process serves", func() bool { _, err := call("early"); return err == nil })
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	var late []string
	for i := 0; len(late) < 3; i++ { // a signal takes a moment
		body := fmt.Sprint("late-", i)
		_, err := call(body)
		switch {
		case fault.Is(err, fault.Timeout):
			late = append(late, body)
		case err != nil || i > 1000:
			t.Fatalf("request %s to a stopped process: got %v; want TIMEOUT", body, err)
		}
	}
	<-time.After(time.Until(stopped.Add(2 * driver.Standstill)))
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var handled []string
	eventually(t, "the process serves again", func() bool {
		all, err := call("after")
		handled = strings.Fields(all)
		return err == nil
	})
	for _, body := range late {
		if slices.Contains(handled, body) {
			t.Errorf("%s was handled after its budget was spent; handled in all: %s", body, handled)
		}
	}
}
