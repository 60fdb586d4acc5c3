package engine

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// GreetsAMQP opens an AMQP 0-9-1 connection far enough to see that a broker answers with a method frame, Connection.Start. It
// waits for 2 s at most.
func GreetsAMQP(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	var frame [1]byte
	if _, err := io.ReadFull(conn, frame[:]); err != nil {
		return err
	}
	if frame[0] != 1 {
		return fmt.Errorf("%s answers with byte %#x, not with an AMQP method", address, frame[0])
	}
	return nil
}
