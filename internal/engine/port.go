package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Local returns 127.0.0.1:port.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// FreePort returns a port of 127.0.0.1 that nothing listens on and nobody holds, and keeps it from other draws, in every process,
// until this program ends or the Hold that HoldPort gives for it is released. It is below those that Linux gives to outgoing
// connections (from 32768): while an engine is down, such a connection could take the port that the engine comes back to.
func FreePort() (int, error) {
	const lowest, highest, tries = 15000, 32000, 200
	for range tries {
		n, err := rand.Int(rand.Reader, big.NewInt(highest-lowest))
		if err != nil {
			return 0, err
		}
		port := lowest + int(n.Int64())
		if hold, err := bind(port, 0); err == nil {
			drawn.Store(port, hold)
			return port, hold.reuse()
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d in %d tries", lowest, highest, tries)
}

// drawn has the Holds of ports that FreePort gave and HoldPort has not been asked for.
var drawn sync.Map

// listens tells whether one may listen on a port of 127.0.0.1.
func listens(ctx context.Context, port int) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", Local(port))
	if err != nil {
		return err
	}
	return l.Close()
}

// A Hold keeps a port for an engine that is to listen on it, also while the engine is down: FreePort gives it to nobody else, in
// no process. It ends with Release, or with this program.
type Hold struct{ socket int }

// HoldPort holds a port of 127.0.0.1. Engines can listen on it, as they all reuse addresses.
func HoldPort(port int) (Hold, error) {
	if hold, ok := drawn.LoadAndDelete(port); ok {
		return hold.(Hold), nil
	}
	hold, err := bind(port, 1)
	if err != nil {
		return Hold{}, fmt.Errorf("hold port %d: %w", port, err)
	}
	return hold, nil
}

// bind without reuse is refused where any other socket is bound to the port, even if it does not listen.
func bind(port, reuse int) (Hold, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return Hold{}, err
	}
	syscall.CloseOnExec(socket)
	set := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, reuse)
	bound := syscall.Bind(socket, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err := errors.Join(set, bound); err != nil {
		return Hold{}, errors.Join(err, syscall.Close(socket))
	}
	return Hold{socket}, nil
}

// reuse lets others that reuse addresses have the port too.
func (h Hold) reuse() error {
	return syscall.SetsockoptInt(h.socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
}

// Release lets the port go. Call it once.
func (h Hold) Release() error { return syscall.Close(h.socket) }

// Patience is how long a process that was just killed may still hold a port or a lock.
const Patience = 5 * time.Second

// AwaitFree returns when nothing listens on a port of 127.0.0.1, and gives up after Patience.
func AwaitFree(ctx context.Context, port int) error {
	patient, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	try := func(ctx context.Context) error { return listens(ctx, port) }
	if err := Await(patient, nil, try); err != nil {
		return fmt.Errorf("port %d of 127.0.0.1 is taken by another program: end it, or choose another port (%w)", port, err)
	}
	return nil
}
