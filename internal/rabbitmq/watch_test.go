package rabbitmq

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/internal/engine"
)

// TestWatch runs what operators install beside a broker, on a socket that answers as a broker does, then cuts connections while
// the service is stopped on purpose, and then, as a broker that hangs, takes them and says nothing. systemctl is a script: it notes
// that it was asked whether the service is active, which it is not while there is a file "stopped", and what it was told to do.
func TestWatch(t *testing.T) {
	folder := t.TempDir()
	told, asked, stopped := filepath.Join(folder, "told"), filepath.Join(folder, "asked"), filepath.Join(folder, "stopped")
	systemctl := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = is-active ]; then echo >> %s; [ ! -e %s ]; exit; fi\necho \"$@\" >> %s\n", asked, stopped, told)
	must(t, os.WriteFile(filepath.Join(folder, "systemctl"), []byte(systemctl), 0o700))
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	var cuts, hangs atomic.Bool
	var greeted atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if cuts.Load() {
					return
				}
				var hello [8]byte
				if _, err := io.ReadFull(conn, hello[:]); err != nil || hangs.Load() {
					_, _ = io.Copy(io.Discard, conn)
					return
				}
				_, _ = conn.Write([]byte{1, 0, 0})
				greeted.Add(1)
			}()
		}
	}()

	ctx, cancel := context.WithCancel(t.Context())
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	watch := exec.CommandContext(ctx, "../../deploy/rabbitmq/watch.sh")
	watch.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "HANSOM_WATCH_PORT="+port, "HANSOM_WATCH_EVERY=0.02", "HANSOM_WATCH_MISSES=1")
	must(t, watch.Start())
	defer func() { cancel(); _ = watch.Wait() }()

	within, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	must(t, engine.Await(within, nil, func(context.Context) error {
		if greeted.Load() < 5 {
			return fmt.Errorf("asked %d times", greeted.Load())
		}
		return nil
	}))
	wantUntold := func(when string) {
		if said, err := os.ReadFile(told); err == nil {
			t.Errorf("while the broker %s, systemctl was told %q; want nothing", when, said)
		}
	}
	wantUntold("answers")

	must(t, os.WriteFile(stopped, nil, 0o600))
	cuts.Store(true)
	must(t, engine.Await(within, nil, func(context.Context) error {
		if lines, _ := os.ReadFile(asked); len(lines) < 5 {
			return fmt.Errorf("systemctl was asked %d times whether the service is active", len(lines))
		}
		return nil
	}))
	wantUntold("is stopped on purpose")

	hangs.Store(true)
	cuts.Store(false)
	must(t, os.Remove(stopped))
	must(t, engine.Await(within, nil, func(context.Context) error {
		said, err := os.ReadFile(told)
		if err == nil && !strings.Contains(string(said), "restart rabbitmq-server") {
			err = fmt.Errorf("systemctl was told %q", said)
		}
		return err
	}))
}
