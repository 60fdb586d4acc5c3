package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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
	return n.manage(ctx, http.MethodGet, path, into)
}

// manage asks the management API for something. into is nil where no answer is wanted.
func (n *Node) manage(ctx context.Context, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+engine.Local(n.ports.Management)+path, nil)
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
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the management API answers %s to %s %s", response.Status, method, path)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// formed waits until the first node counts every node as a running member of its cluster, and the cluster has quorum
// queues.
func (b *Broker) formed(ctx context.Context) error {
	if len(b.nodes) == 1 {
		return nil
	}
	return engine.Await(ctx, b.nodes[0].Done(), func(ctx context.Context) error {
		if err := b.complete(ctx); err != nil {
			return err
		}
		return b.enableFeatures(ctx)
	})
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

// enableFeatures turns on what a node alone turns on at its first boot, quorum queues among it: nodes that form a cluster
// while they boot leave it off where one cannot ask the other yet.
func (b *Broker) enableFeatures(ctx context.Context) error {
	var flags []struct{ Name, State, Stability string }
	if err := b.nodes[0].get(ctx, "/api/feature-flags", &flags); err != nil {
		return err
	}
	for _, flag := range flags {
		if flag.State != "disabled" || flag.Stability != "stable" {
			continue
		}
		if err := b.nodes[0].manage(ctx, http.MethodPut, "/api/feature-flags/"+url.PathEscape(flag.Name)+"/enable", nil); err != nil {
			return fmt.Errorf("enable %s: %w", flag.Name, err)
		}
	}
	return nil
}
