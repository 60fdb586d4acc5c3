package exchange

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestKilledNode: when a node of a cluster of two is killed, the queue that it had and that was preferred, durable though it is, gets
// nothing more from the node that is left, which takes the next candidate. (It cannot tell whether the exchange looks at the queue's node
// or the broker has dropped the binding meanwhile, which it does soon.)
func TestKilledNode(t *testing.T) {
	if testing.Short() {
		return
	}
	nodes := start(t, 2).Nodes()
	near, far := open(t, nodes[0].URL()), open(t, nodes[1].URL())
	near.exchanges(nil)
	came := near.queue("near")
	must(t, near.channel.QueueBind("near", service, h2, false, nil), "bind near")
	_, err := far.channel.QueueDeclare("far", true, false, false, false, nil)
	must(t, err, "declare far")
	preferred := amqp.Table{"match.h2-overlay": "alice"}
	must(t, far.channel.QueueBind("far", service, h2, false, preferred), "bind far")
	alice := amqp.Table{"h2-overlay": "alice"}
	went, err := far.channel.Consume("far", "", true, false, false, false, nil)
	must(t, err, "consume far")
	near.publish("before", service, alice)
	wantDelivery(t, went, "before")
	must(t, nodes[1].Kill(), "kill a node")

	deadline := time.After(soon)
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		near.publish("alice", service, alice)
		select {
		case <-came:
			return
		case <-retry.C:
		case <-deadline:
			t.Fatalf("messages still go to the queue of a killed node after %v", soon)
		}
	}
}
