// Package engine runs the programs that Hansom stands on (RabbitMQ, HAProxy) as children of this one, in private folders and on
// ports of their own, for `hansom up`, tests and drills. Packages that know one engine each stand above it.
//
// A child ends with this program at the latest, on Linux also when this program is killed.
package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// A Command is a program and what it runs with.
type Command struct {
	Program   string
	Arguments []string
	Dir       string
	Env       []string // all of it: nothing of this program's reaches the child unasked
	Output    string   // the file for what it prints, emptied before
	Keep      *os.File // stays open in the child, so that a lock on it is held as long as the child lives; may be nil
}

// A Process is a running or ended child. Its methods may be called concurrently.
type Process struct {
	command *exec.Cmd
	done    chan struct{}
}

// Run starts a child.
func Run(c Command) (*Process, error) {
	output, err := os.OpenFile(c.Output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command(c.Program, c.Arguments...) //nolint:gosec,noctx // the caller names the engine, which outlives the context of its start
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = output, output
	if c.Keep != nil {
		cmd.ExtraFiles = []*os.File{c.Keep}
	}
	cmd.SysProcAttr = endWithParent()

	p := &Process{command: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel counts the thread that started a child as its parent: it must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is told by its log, and killing it is no error
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", c.Program, err)
	}
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID returns its number.
func (p *Process) PID() int { return p.command.Process.Pid }

// Runs tells whether it has not ended. A stopped process runs.
func (p *Process) Runs() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends s; to a process that has ended it does nothing.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to process %d (%s): %w", s, p.PID(), p.command.Path, err)
	}
	return nil
}

// Kill ends it, and what it started in its group, as kill -9 does. It returns when the process is gone; the others are ended by
// then, but may be on their way out.
func (p *Process) Kill() error {
	if p.Runs() {
		if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d (%s) and its group: %w", p.PID(), p.command.Path, err)
		}
	}
	<-p.done
	return nil
}
