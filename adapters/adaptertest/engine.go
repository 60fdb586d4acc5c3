// Package adaptertest is what the tests of adapters need: real servers, started
// from the machine's packages in private folders on free ports, and a service to
// use an adapter in. Only tests import it.
package adaptertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Password is that of every engine's user. Nothing but the engine may ever see it.
const Password = "s3cr3t/pa55?word"

// User is the engines' user, where they have users.
const User = "hansom"

// Limits for an engine to answer after its start, and to end.
const (
	startLimit = 30 * time.Second
	stopLimit  = 10 * time.Second
)

// Engine is a server that a test started.
type Engine struct {
	Port int

	name    string
	dir     string
	command []string
	signal  string // that ends it without waiting for its clients
	log     string // the path of what it wrote
	ready   string // what it writes there when it minds signals and clients

	process *exec.Cmd
	input   io.Closer // the engine ends when this is closed, or we are no more
	pid     int
}

// newEngine makes the folder of an engine, which belongs to whom the engine runs as.
func newEngine(name, signal, ready string) (*Engine, error) {
	dir, err := os.MkdirTemp("", "hansom-"+name+"-")
	if err != nil {
		return nil, err
	}
	e := &Engine{name: name, signal: signal, ready: ready, dir: dir, log: filepath.Join(dir, "log")}
	if e.Port, err = freePort(); err != nil {
		return nil, err
	}
	who, err := credential()
	if err == nil && who != nil {
		err = os.Chown(dir, int(who.Uid), int(who.Gid))
	}
	return e, err
}

func freePort() (int, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// credential is whom engines run as where we are root, which some refuse to run as.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// find returns the path of a program, which Debian may keep outside the PATH.
func find(program, pattern string) (string, error) {
	for _, glob := range []string{pattern, "/usr/local/sbin/" + program, "/usr/sbin/" + program} {
		if found, _ := filepath.Glob(glob); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s is not installed (install it with: make deps; leave out the tests that need it with: make test-short)", program)
	}
	return path, nil
}

func (e *Engine) cmd(program string, args ...string) (*exec.Cmd, error) {
	who, err := credential()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(context.Background(), program, args...)
	c.Dir = e.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + e.dir, "LC_ALL=C", "TMPDIR=" + e.dir}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	return c, nil
}

// prepare runs a program to its end.
func (e *Engine) prepare(program string, args ...string) error {
	c, err := e.cmd(program, args...)
	if err != nil {
		return err
	}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, out)
	}
	return nil
}

// supervise runs a server and ends it when standard input does, so that no server
// outlives a test that was killed.
const supervise = `signal=$1; shift
"$@" </dev/null >log 2>&1 & pid=$!
echo $pid
cat >/dev/null
kill -$signal $pid 2>/dev/null
wait $pid`

// Start starts the engine and returns when it answers.
func (e *Engine) Start() error {
	if err := os.RemoveAll(e.log); err != nil { // what it says now counts
		return err
	}
	c, err := e.cmd("/bin/sh", append([]string{"-c", supervise, "sh", e.signal}, e.command...)...)
	if err != nil {
		return err
	}
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	e.process, e.input = c, in
	if _, err := fmt.Fscan(out, &e.pid); err != nil {
		return fmt.Errorf("start %s: %w", e.name, err)
	}
	return e.await()
}

// await returns when the engine says that it is ready.
func (e *Engine) await() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(startLimit)
	for {
		text, err := os.ReadFile(e.log)
		if err == nil && bytes.Contains(text, []byte(e.ready)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-limit:
			return fmt.Errorf("%s is not ready within %s; it wrote:\n%s", e.name, startLimit, tail(text))
		}
	}
}

func tail(text []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

// Address returns host:port.
func (e *Engine) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port)) }

// Stop ends the engine. Start starts it again, with its data.
func (e *Engine) Stop() error {
	if e.process == nil {
		return nil
	}
	err := e.input.Close()
	kill := time.AfterFunc(stopLimit, func() { _ = syscall.Kill(e.pid, syscall.SIGKILL) })
	defer kill.Stop()
	var status *exec.ExitError
	if waiting := e.process.Wait(); waiting != nil && !errors.As(waiting, &status) {
		err = errors.Join(err, waiting)
	}
	e.process = nil
	return err
}

// Freeze stops the engine's process as it is, without a word to its clients, until
// thaw.
func (e *Engine) Freeze() (thaw func(), err error) {
	if err := syscall.Kill(e.pid, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	return func() { _ = syscall.Kill(e.pid, syscall.SIGCONT) }, nil
}

// Close ends the engine and removes its folder.
func (e *Engine) Close() error {
	return errors.Join(e.Stop(), os.RemoveAll(e.dir))
}

func open(e *Engine, err error) (*Engine, error) {
	if err == nil {
		err = e.Start()
	}
	if err != nil && e != nil {
		err = errors.Join(err, e.Close())
	}
	return e, err
}

func (e *Engine) write(name string, lines ...string) (string, error) {
	path := filepath.Join(e.dir, name)
	return path, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644) //nolint:gosec // for the user that the engine runs as
}
