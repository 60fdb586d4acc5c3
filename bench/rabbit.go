package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/hansom-platform/hansom/internal/rabbitmq"
)

// rabbitPatience is how long RabbitMQ may take to start.
const rabbitPatience = 2 * time.Minute

// randomExchange has exchanges of type x-random. It comes with RabbitMQ and is not enabled by itself.
const randomExchange = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/rabbitmq_random_exchange-*"

// rabbit is a private RabbitMQ of one node that the measures of a run share.
type rabbit struct {
	plugins string // the folder of our own
	broker  *rabbitmq.Broker
	folder  string
}

// open starts it where it does not run yet.
func (r *rabbit) open(ctx context.Context) error {
	if r.broker != nil {
		return nil
	}
	ours, err := findPlugin(filepath.Join(r.plugins, "rabbitmq_h2_exchange-*.ez"), "run make exchange")
	if err != nil {
		return err
	}
	random, err := findPlugin(randomExchange, "run make deps-rabbitmq")
	if err != nil {
		return err
	}
	if r.folder, err = os.MkdirTemp("", "hansom-bench-"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rabbitPatience)
	defer cancel()
	r.broker, err = rabbitmq.Start(ctx, rabbitmq.Config{Dir: r.folder, Plugins: []string{ours, random}})
	return err
}

// close kills it: nobody wants its data.
func (r *rabbit) close() {
	if r.broker != nil {
		for _, n := range r.broker.Nodes() {
			_ = n.Kill()
		}
		_ = r.broker.Close(context.Background())
	}
	if r.folder != "" {
		_ = os.RemoveAll(r.folder)
	}
}

// url is where the platform's parts find it.
func (r *rabbit) url() string {
	return r.broker.URL() + "?management=" + url.QueryEscape(r.broker.Nodes()[0].Management())
}

// findPlugin returns the one that a pattern finds, the last by name of several.
func findPlugin(pattern, mend string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) == 0 {
		err = errors.New("there is none: " + mend)
	}
	if err != nil {
		return "", fmt.Errorf("find RabbitMQ's plugin %s: %w", pattern, err)
	}
	return found[len(found)-1], nil
}
