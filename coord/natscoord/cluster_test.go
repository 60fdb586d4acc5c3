//go:build cluster

// The suite on a cluster of three takes minutes: go test -tags cluster -parallel 1.

package natscoord_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/coord/drivertest"
	"github.com/hansom-platform/hansom/coord/natscoord"
)

// cluster is three servers in this process. Tests share it, each with a bucket of
// its own, kept on all three.
type cluster struct {
	t       *testing.T
	opts    [3]*server.Options
	servers [3]*server.Server
	buckets atomic.Int32
}

func startCluster(t *testing.T) *cluster {
	c := &cluster{t: t}
	for i := range c.opts {
		c.opts[i] = &server.Options{
			ServerName: fmt.Sprintf("n%d", i),
			Host:       "127.0.0.1",
			JetStream:  true,
			StoreDir:   t.TempDir(),
			NoLog:      true,
			NoSigs:     true,
			Cluster:    server.ClusterOpts{Name: "coord", Host: "127.0.0.1"},
		}
	}
	for i, opts := range c.opts {
		opts.Port, opts.Cluster.Port = freePort(t), freePort(t)
		for _, peer := range c.opts[:i] {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(peer.Cluster.Port))})
		}
	}
	c.opts[0].Routes = []*url.URL{{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.opts[2].Cluster.Port))}}
	for i := range c.servers {
		c.start(i)
	}
	for i := range c.servers {
		c.awaitReady(i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	return c
}

func (c *cluster) start(i int) {
	opts := c.opts[i].Clone()
	srv, err := server.NewServer(opts)
	if err != nil {
		c.t.Fatalf("NewServer %d: %v", i, err)
	}
	srv.Start()
	c.servers[i] = srv
}

func (c *cluster) awaitReady(i int) {
	if !c.servers[i].ReadyForConnections(20 * time.Second) {
		c.t.Fatalf("server %d did not become ready within 20s", i)
	}
}

func (c *cluster) stop(i int) {
	c.servers[i].Shutdown()
	c.servers[i].WaitForShutdown()
}

// freePort returns a port that was free a moment ago. The servers must know each
// other's before they start.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// clusterHarness connects to the three servers in turn.
type clusterHarness struct {
	*cluster
	bucket string
	next   atomic.Int32
	conns  []*nats.Conn
}

func (c *cluster) newHarness(testing.TB) drivertest.Harness {
	return &clusterHarness{cluster: c, bucket: fmt.Sprintf("T%d", c.buckets.Add(1))}
}

func (h *clusterHarness) Connect(ctx context.Context) (drivertest.Conn, error) {
	first := int(h.next.Add(1)) % len(h.servers)
	var urls string
	for i := range h.servers {
		urls += h.servers[(first+i)%len(h.servers)].ClientURL() + ","
	}
	nc, err := nats.Connect(urls[:len(urls)-1], nats.DontRandomize(),
		nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		return drivertest.Conn{}, err
	}
	h.conns = append(h.conns, nc)
	for {
		d, err := natscoord.New(ctx, nc, natscoord.Bucket(h.bucket), natscoord.Replicas(3))
		if err == nil {
			return drivertest.Conn{Driver: d, Abandon: nc.Close}, nil
		}
		if ctx.Err() != nil {
			return drivertest.Conn{}, err
		}
	}
}

// Restart restarts the server that leads the bucket's stream.
func (h *clusterHarness) Restart(ctx context.Context) error {
	leader, err := h.leader(ctx)
	if err != nil {
		return err
	}
	for i, s := range h.servers {
		if s.Name() == leader {
			h.stop(i)
			h.start(i)
			h.awaitReady(i)
		}
	}
	for ctx.Err() == nil {
		if _, err = h.leader(ctx); err == nil {
			return nil
		}
	}
	return err
}

func (h *clusterHarness) leader(ctx context.Context) (string, error) {
	js, err := jetstream.New(h.conns[0])
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := js.Stream(ctx, "KV_"+h.bucket)
	if err != nil {
		return "", err
	}
	if cl := s.CachedInfo().Cluster; cl != nil && cl.Leader != "" {
		return cl.Leader, nil
	}
	return "", errors.New("the stream has no leader")
}

func (h *clusterHarness) Capabilities() drivertest.Capabilities {
	return drivertest.Capabilities{
		MinTTL:       time.Second,
		ExpirySlack:  4 * time.Second,
		RestartTTL:   10 * time.Second,
		SharedEngine: true,
	}
}

func (h *clusterHarness) Close() {
	for _, nc := range h.conns {
		nc.Close()
	}
}

func TestConformanceOnCluster(t *testing.T) {
	c := startCluster(t)
	drivertest.RunConformanceTests(t, c.newHarness)
}
