package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/internal/rabbitmq"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// rabbitClosing bounds a clean end of the private RabbitMQ, after which it is killed.
const rabbitClosing = 10 * time.Second

// zoneCluster begins the name of a private RabbitMQ's cluster. Its zone follows: a broker is one zone's for good.
const zoneCluster = "zone-"

// rabbitFolder is where the private RabbitMQ keeps its data.
func rabbitFolder(data string) string { return filepath.Join(data, "rabbitmq") }

// runRabbit runs a RabbitMQ of one node, with the exchange, in the data folder.
func (a *App) runRabbit(ctx context.Context, ready func()) error {
	plugin, err := rabbitmq.FindExchange()
	if err != nil {
		return err
	}
	b, err := rabbitmq.Start(ctx, rabbitmq.Config{
		Dir: rabbitFolder(a.config.Data), Plugins: []string{plugin}, Cluster: zoneCluster + a.config.Zone.Zone, Logger: a.log,
	})
	var other *rabbitmq.OtherClusterError
	if errors.As(err, &other) {
		zone := strings.TrimPrefix(other.Holds, zoneCluster)
		return fmt.Errorf("the RabbitMQ of the data folder %s is zone %s's, not zone %s's: start with --zone %s, or on another folder with --data",
			a.config.Data, zone, a.config.Zone.Zone, zone)
	}
	if err != nil {
		return err
	}
	node := b.Nodes()[0]
	ended := fmt.Errorf("it ended by itself: its log is %s", node.Log())
	a.note(func(admin *Admin) { admin.Bus = node.URL() + "?management=" + url.QueryEscape(node.Management()) })
	defer telemetry.Health("rabbitmq", func(context.Context) error {
		select {
		case <-node.Done():
			return ended
		default:
			return nil
		}
	})()
	ready()
	select {
	case <-ctx.Done():
		err = nil
	case <-node.Done():
		err = ended
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), rabbitClosing)
	defer cancel()
	return errors.Join(err, b.Close(ending))
}
