package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hansom-platform/hansom/internal/engine"
)

// ready tells whether the node takes AMQP connections and answers on its management API as its user.
func (n *Node) ready(ctx context.Context) error {
	if err := engine.GreetsAMQP(ctx, n.Address()); err != nil {
		return fmt.Errorf("no AMQP on %s: %w", n.Address(), err)
	}
	var whoami struct{ Name string }
	return n.get(ctx, "/api/whoami", &whoami)
}

// get reads JSON from the management API.
func (n *Node) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+engine.Local(n.ports.Management)+path, nil)
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

// whole waits until the first node counts every node as a running member of its cluster.
func (b *Broker) whole(ctx context.Context) error {
	if len(b.nodes) == 1 {
		return nil
	}
	return engine.Await(ctx, b.nodes[0].Done(), b.complete)
}

func (b *Broker) complete(ctx context.Context) error {
	var members []struct{ Running bool }
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
}
