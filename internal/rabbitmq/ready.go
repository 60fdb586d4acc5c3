package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

var errEnded = errors.New("the process ended")

// await tries until try succeeds, and returns its last error when ctx ends or the process does.
func await(ctx context.Context, ended <-chan struct{}, try func(context.Context) error) error {
	const between = 50 * time.Millisecond
	again := time.NewTicker(between)
	defer again.Stop()
	for {
		last := try(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("%w (at last: %w)", context.Cause(ctx), last)
		case <-again.C:
		}
	}
}

func accepts(ctx context.Context, port int) error {
	conn, err := dial(ctx, port)
	if err != nil {
		return err
	}
	return conn.Close()
}

func dial(ctx context.Context, port int) (net.Conn, error) {
	dialer := net.Dialer{Timeout: time.Second}
	return dialer.DialContext(ctx, "tcp4", local(port))
}

// ready tells whether the node takes AMQP connections and answers on its management API as its user.
func (n *Node) ready(ctx context.Context) error {
	if err := greets(ctx, n.ports.AMQP); err != nil {
		return fmt.Errorf("no AMQP on %s: %w", n.Address(), err)
	}
	var whoami struct{ Name string }
	return n.get(ctx, "/api/whoami", &whoami)
}

// greets opens an AMQP 0-9-1 connection far enough to see that the broker answers with a method frame, Connection.Start.
func greets(ctx context.Context, port int) error {
	conn, err := dial(ctx, port)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	var frame [1]byte
	if _, err := io.ReadFull(conn, frame[:]); err != nil {
		return err
	}
	if frame[0] != 1 {
		return fmt.Errorf("it answers with byte %#x, not with an AMQP method", frame[0])
	}
	return nil
}

// get reads JSON from the management API.
func (n *Node) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+local(n.ports.Management)+path, nil)
	if err != nil {
		return err
	}
	request.SetBasicAuth(n.broker.User())
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the management API answers %s to GET %s", response.Status, path)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// formed waits until the first node counts every node as a running member of its cluster.
func (b *Broker) formed(ctx context.Context) error {
	if len(b.nodes) == 1 {
		return nil
	}
	return await(ctx, b.nodes[0].Done(), func(ctx context.Context) error {
		var members []struct {
			Name    string
			Running bool
		}
		if err := b.nodes[0].get(ctx, "/api/nodes", &members); err != nil {
			return err
		}
		running := 0
		for _, member := range members {
			if member.Running {
				running++
			}
		}
		if running != len(b.nodes) {
			return fmt.Errorf("the cluster has %d of %d nodes", running, len(b.nodes))
		}
		return nil
	})
}
