package app

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"github.com/hansom-platform/hansom/internal/rabbitmq"
	"github.com/hansom-platform/hansom/platform/telemetry"
)

// rabbitClosing bounds a clean end of the private RabbitMQ, after which it is killed.
const rabbitClosing = 10 * time.Second

// rabbitFolder is where the private RabbitMQ keeps its data.
func rabbitFolder(data string) string { return filepath.Join(data, "rabbitmq") }

// runRabbit runs a RabbitMQ of one node, with the exchange, in the data folder.
func (a *App) runRabbit(ctx context.Context, ready func()) error {
	plugin, err := rabbitmq.FindExchange()
	if err != nil {
		return err
	}
	b, err := rabbitmq.Start(ctx, rabbitmq.Config{
		Dir: rabbitFolder(a.config.Data), Plugins: []string{plugin}, Cluster: "zone-" + a.config.Zone.Zone, Logger: a.log,
	})
	if err != nil {
		return err
	}
	node := b.Nodes()[0]
	a.note(func(admin *Admin) { admin.Bus = node.URL() + "?management=" + url.QueryEscape(node.Management()) })
	defer telemetry.Health("rabbitmq", func(context.Context) error {
		select {
		case <-node.Done():
			return errEnded
		default:
			return nil
		}
	})()
	ready()
	select {
	case <-ctx.Done():
		err = nil
	case <-node.Done():
		err = errEnded
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), rabbitClosing)
	defer cancel()
	return errors.Join(err, b.Close(ending))
}

var errEnded = errors.New("the private RabbitMQ ended by itself: its log is in the data folder, under rabbitmq")
