package rabbitmq

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// A process is a child that ends with this program at the latest.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
}

type command struct {
	program   string
	arguments []string
	dir       string
	env       []string
	output    string   // file for what it prints
	keep      *os.File // stays open in the child, so that its lock is held as long as the child lives
}

func spawn(c command) (*process, error) {
	output, err := os.OpenFile(c.output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command(c.program, c.arguments...)
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{c.keep}
	cmd.SysProcAttr = endWithParent()

	p := &process{command: cmd, done: make(chan struct{})}
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
		return nil, fmt.Errorf("run %s: %w", c.program, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) runs() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to process %d (%s): %w", s, p.pid(), p.command.Path, err)
	}
	return nil
}

// kill returns when the process has ended.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}
