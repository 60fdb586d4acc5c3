package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sleeper(t *testing.T) (*Process, string) {
	t.Helper()
	dir := t.TempDir()
	kept, err := os.Create(filepath.Join(dir, "lock"))
	must(t, err)
	defer kept.Close()
	must(t, syscall.Flock(int(kept.Fd()), syscall.LOCK_EX))
	p, err := Run(Command{
		Program: "/bin/sh", Arguments: []string{"-c", "echo $WORD; exec sleep 60"}, Dir: dir, Env: []string{"WORD=hello"},
		Output: filepath.Join(dir, "output"), Keep: kept,
	})
	must(t, err)
	t.Cleanup(func() { must(t, p.Kill()) })
	return p, dir
}

func TestChild(t *testing.T) {
	p, dir := sleeper(t)
	must(t, Await(t.Context(), p.Done(), func(context.Context) error {
		if said, _ := os.ReadFile(filepath.Join(dir, "output")); string(said) != "hello\n" {
			return errors.New("it has not said hello")
		}
		return nil
	}))
	// The parent closed its own file: the child holds the lock as long as it lives.
	lock, err := os.Open(filepath.Join(dir, "lock"))
	must(t, err)
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		t.Error("the lock is free while the child lives")
	}
	if !p.Runs() {
		t.Error("the child does not run")
	}
	must(t, p.Kill())
	if p.Runs() {
		t.Error("the child runs after Kill")
	}
	must(t, p.Signal(syscall.SIGTERM))
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("the lock is held after the child's end: %v", err)
	}
}

func TestKillEndsGrandchildren(t *testing.T) {
	dir := t.TempDir()
	p, err := Run(Command{
		Program: "/bin/sh", Arguments: []string{"-c", "sleep 60 & echo $!; wait"}, Output: filepath.Join(dir, "output"),
	})
	must(t, err)
	t.Cleanup(func() { must(t, p.Kill()) })
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var grandchild int
	must(t, Await(ctx, p.Done(), func(context.Context) error {
		said, err := os.ReadFile(filepath.Join(dir, "output"))
		if err == nil {
			grandchild, err = strconv.Atoi(strings.TrimSpace(string(said)))
		}
		return err
	}))
	must(t, p.Kill())
	must(t, Await(ctx, nil, func(context.Context) error {
		if err := syscall.Kill(grandchild, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d, which the killed one started, is there (%w); want it gone", grandchild, err)
		}
		return nil
	}))
}

func TestRunMissingProgram(t *testing.T) {
	_, err := Run(Command{Program: "/nowhere/engine", Output: filepath.Join(t.TempDir(), "output")})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/engine") {
		t.Errorf("the error is %v, want it to name /nowhere/engine", err)
	}
}

func TestAwait(t *testing.T) {
	last, reason := errors.New("not yet"), errors.New("called off")
	never := func(context.Context) error { return last }
	ended := make(chan struct{})
	close(ended)
	if err := Await(t.Context(), ended, never); !errors.Is(err, ErrEnded) {
		t.Errorf("of an ended process: %v, want %v", err, ErrEnded)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if err := Await(ctx, nil, never); !errors.Is(err, reason) || !errors.Is(err, last) {
		t.Errorf("called off: %v, want %v and %v", err, reason, last)
	}
	tries := 0
	must(t, Await(t.Context(), nil, func(context.Context) error {
		if tries++; tries < 3 {
			return last
		}
		return nil
	}))
}

func TestGreetsAMQP(t *testing.T) {
	for answer, want := range map[string]string{"\x01": "", "AMQP\x00\x00\x09\x01": "not with an AMQP method", "": "EOF"} {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		must(t, err)
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var hello [8]byte
			_, _ = conn.Read(hello[:])
			_, _ = conn.Write([]byte(answer))
			conn.Close()
		}()
		err = GreetsAMQP(t.Context(), listener.Addr().String())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("a server that answers %q: %v, want %q", answer, err, want)
		}
		listener.Close()
	}
}

func TestPorts(t *testing.T) {
	port, err := FreePort()
	must(t, err)
	listener, err := net.Listen("tcp4", Local(port))
	must(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := AwaitFree(ctx, port); err == nil {
		t.Errorf("port %d is free while something listens on it", port)
	}
	listener.Close()
	must(t, AwaitFree(t.Context(), port))
}

func TestHoldPort(t *testing.T) {
	port, err := FreePort()
	must(t, err)
	wantTaken := func(when string) {
		t.Helper()
		if other, err := bind(port, 0); err == nil {
			t.Errorf("port %d would be drawn again %s", port, when)
			must(t, other.Release())
		}
	}
	wantTaken("before it is held")
	hold, err := HoldPort(port)
	must(t, err)
	wantTaken("while it is held")
	for range 2 { // an engine that restarts
		engine, err := net.Listen("tcp4", Local(port))
		must(t, err)
		wantTaken("while an engine listens")
		must(t, engine.Close())
	}
	must(t, hold.Release())
	again, err := bind(port, 0)
	must(t, err)
	must(t, again.Release())
}
