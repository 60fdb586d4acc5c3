//go:build unix && !linux

package engine

import "syscall"

// endWithParent keeps a terminal's Ctrl-C from the child. Only Linux ends it when this program is killed.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
