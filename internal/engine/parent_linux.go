package engine

import "syscall"

// endWithParent has the kernel kill the child when this program dies, however it dies. A group of its own keeps a
// terminal's Ctrl-C from the child: it is for this program, which ends its children in order.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
