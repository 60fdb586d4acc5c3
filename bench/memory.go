package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// measureMemory runs `hansom up` with the demo city as a process of its own and
// reads how much of it is resident after a while.
func measureMemory(ctx context.Context, o options) (any, error) {
	folder, err := os.MkdirTemp("", "hansom-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	up := exec.CommandContext(ctx, o.binary, "up", "--data", folder, //nolint:gosec // the operator names the binary
		"--listen", "127.0.0.1:0", "--bus-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
	up.Cancel = func() error { return up.Process.Signal(syscall.SIGTERM) }
	up.WaitDelay = 10 * time.Second
	up.Stderr = os.Stderr
	out, err := up.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	if err := up.Start(); err != nil {
		return nil, fmt.Errorf("%w (build it with: make build)", err)
	}
	defer func() { _ = up.Cancel(); _ = up.Wait() }()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("hansom up ended before it was ready: %w", err)
	}
	ready := time.Since(started)
	select {
	case <-time.After(o.idle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	resident, err := residentMiB(up.Process.Pid)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  %.0f MiB resident after %v, ready %v after its start\n", resident, o.idle, ready.Round(time.Millisecond))
	return map[string]any{"resident_mib": resident, "ready_ns": ready}, nil
}

// residentMiB reads VmRSS (proc(5)).
func residentMiB(pid int) (float64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS in /proc: resident memory can be read on Linux only")
}

// cpuTime reads what processes have used of the processors (proc(5), utime and stime), in hundredths of a second.
func cpuTime(processes ...int) (time.Duration, error) {
	const tick = 10 * time.Millisecond // of every Linux that Go runs on
	var all time.Duration
	for _, pid := range processes {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		user, err1 := strconv.Atoi(fields[11])
		system, err2 := strconv.Atoi(fields[12])
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		all += time.Duration(user+system) * tick
	}
	return all, nil
}
