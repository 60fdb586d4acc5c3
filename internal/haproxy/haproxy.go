// Package haproxy runs the real HAProxy, from Debian's package, with the configuration that operators install
// (deploy/haproxy/haproxy.cfg): for tests and drills that want services to reach their brokers as in production.
//
// A Proxy ends with Close, and with the program that started it at the latest.
package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	config "github.com/hansom-platform/hansom/deploy/haproxy"
	"github.com/hansom-platform/hansom/internal/engine"
)

// A Server is a broker behind the proxy: host:port of AMQP and of its management API.
type Server struct {
	AMQP, Management string
}

// Config says what to run. Dir and Own are required.
type Config struct {
	Dir    string   // for its configuration and log; made where it is missing
	Own    []Server // the zone's own brokers, 1 or 2
	Others []Server // those of other zones, up to 4, the preferred ones first

	AMQP, Management int // ports on 127.0.0.1; free ones are chosen for 0

	Logger *slog.Logger // nil discards
}

// A Proxy is a running HAProxy.
type Proxy struct {
	process *engine.Process
	config  Config
	release func() error // of its ports
}

// Start runs HAProxy, and returns when it takes connections. It knows by then which brokers are alive.
func Start(ctx context.Context, c Config) (*Proxy, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start HAProxy: %w", err)
	}
	p := &Proxy{config: c}
	if err := p.start(ctx); err != nil {
		return nil, fmt.Errorf("start HAProxy in %s: %w", c.Dir, err)
	}
	c.Logger.Info("HAProxy is up", "address", p.Address(), "own", c.Own, "others", c.Others)
	return p, nil
}

const mostOwn, mostOthers = 2, 4 // as many as haproxy.cfg has room for

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" || len(c.Own) == 0 || len(c.Own) > mostOwn || len(c.Others) > mostOthers {
		return c, fmt.Errorf("it needs a folder, 1 to %d own brokers, and at most %d others: got folder %q, %d, and %d",
			mostOwn, mostOthers, c.Dir, len(c.Own), len(c.Others))
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, err
	}
	c.Dir = dir
	for _, port := range []*int{&c.AMQP, &c.Management} {
		for *port == 0 || c.AMQP == c.Management {
			if *port, err = engine.FreePort(); err != nil {
				return c, err
			}
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func (p *Proxy) start(ctx context.Context) error {
	program, err := find()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.config.Dir, 0o700); err != nil {
		return err
	}
	file, output := filepath.Join(p.config.Dir, "haproxy.cfg"), filepath.Join(p.config.Dir, "haproxy.log")
	if err := os.WriteFile(file, []byte(config.Config), 0o600); err != nil {
		return err
	}
	if err := p.hold(ctx); err != nil {
		return err
	}
	p.process, err = engine.Run(engine.Command{
		Program: program, Arguments: []string{"-db", "-f", file}, Dir: p.config.Dir, Env: p.env(), Output: output,
	})
	if err != nil {
		return errors.Join(err, p.release())
	}
	err = engine.Await(ctx, p.process.Done(), p.checked)
	if err == nil {
		return nil
	}
	killed := p.process.Kill()
	said, _ := os.ReadFile(output) // best effort: the error stands without it
	return errors.Join(fmt.Errorf("%w; it said:\n%s", err, said), killed, p.release())
}

// hold keeps the ports from others until Close.
func (p *Proxy) hold(ctx context.Context) error {
	var holds []engine.Hold
	p.release = sync.OnceValue(func() error {
		var errs []error
		for _, h := range holds {
			errs = append(errs, h.Release())
		}
		return errors.Join(errs...)
	})
	for _, port := range []int{p.config.AMQP, p.config.Management} {
		if err := engine.AwaitFree(ctx, port); err != nil {
			return errors.Join(err, p.release())
		}
		h, err := engine.HoldPort(port)
		if err != nil {
			return errors.Join(err, p.release())
		}
		holds = append(holds, h)
	}
	return nil
}

func find() (string, error) {
	if path, err := exec.LookPath("haproxy"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/haproxy"
	if _, err := os.Stat(debian); err != nil {
		return "", errors.New("HAProxy is not installed: run make deps-rabbitmq, or on Debian apt-get install haproxy")
	}
	return debian, nil
}

// env holds what haproxy.cfg asks for.
func (p *Proxy) env() []string {
	env := []string{
		"HANSOM_HAPROXY_AMQP=" + p.Address(),
		"HANSOM_HAPROXY_MANAGEMENT=" + p.Management(),
		"HANSOM_HAPROXY_SOCKET=" + p.socket(),
		"HANSOM_HAPROXY_UNPRIVILEGED=yes",
	}
	add := func(name string, servers []Server) {
		for i, s := range servers {
			env = append(env, fmt.Sprintf("%s_%d=%s", name, i+1, s.AMQP))
			env = append(env, fmt.Sprintf("%s_%d_MANAGEMENT=%s", name, i+1, s.Management))
		}
	}
	add("HANSOM_BROKER", p.config.Own)
	add("HANSOM_OTHER", p.config.Others)
	return env
}

// Address returns where it takes AMQP: 127.0.0.1:port
func (p *Proxy) Address() string { return engine.Local(p.config.AMQP) }

// Management returns where it takes HTTP for the management API: 127.0.0.1:port
func (p *Proxy) Management() string { return engine.Local(p.config.Management) }

// Close ends it with all its connections, and kills it if it has not ended when ctx does. Closing again does nothing.
func (p *Proxy) Close(ctx context.Context) error {
	if err := p.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.process.Done():
		return p.release()
	case <-ctx.Done():
		return errors.Join(p.process.Kill(), p.release())
	}
}
