package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"time"
)

// Local returns 127.0.0.1:port.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// FreePort returns a port of 127.0.0.1 that nothing listens on. It is below those that Linux gives to outgoing connections
// (from 32768): while an engine is down, such a connection could take the port that the engine comes back to.
func FreePort() (int, error) {
	const lowest, highest, tries = 15000, 32000, 200
	for range tries {
		n, err := rand.Int(rand.Reader, big.NewInt(highest-lowest))
		if err != nil {
			return 0, err
		}
		port := lowest + int(n.Int64())
		if portIsFree(context.Background(), port) == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d in %d tries", lowest, highest, tries)
}

func portIsFree(ctx context.Context, port int) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", Local(port))
	if err != nil {
		return err
	}
	return l.Close()
}

// Patience is how long a process that was just killed may still hold a port or a lock.
const Patience = 5 * time.Second

// AwaitFree returns when nothing listens on a port of 127.0.0.1, and gives up after Patience.
func AwaitFree(ctx context.Context, port int) error {
	patient, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	if err := Await(patient, nil, func(ctx context.Context) error { return portIsFree(ctx, port) }); err != nil {
		return fmt.Errorf("port %d of 127.0.0.1 is taken by another program: end it, or choose another port (%w)", port, err)
	}
	return nil
}
