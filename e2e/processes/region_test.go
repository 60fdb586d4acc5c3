package processes_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/app/broker"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/internal/haproxy"
	"github.com/hansom-platform/hansom/internal/rabbitmq"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
)

// A region has two zones on RabbitMQ: for each a cluster of two brokers, a HAProxy, the kernel in one process and the
// target's instances in one each. Coordination is on NATS, which no message goes through.
type region struct {
	t      *testing.T
	folder string
	root   *auth.Root
	coord  string // URL
	zones  map[string]*zoneOfRegion
}

type zoneOfRegion struct {
	bus     bus.Zone
	brokers *rabbitmq.Broker
	url     string // of the bus, by way of the proxy
}

const (
	regionName   = "drill"
	targetCopies = 3 // instances of the target in each zone
)

func newRegion(t *testing.T) *region {
	t.Helper()
	r := &region{t: t, folder: t.TempDir(), zones: map[string]*zoneOfRegion{}}
	r.startCoord()
	r.startBrokers("a", "b")
	r.startProxy("a", "b")
	r.startProxy("b", "a")
	r.initialise()
	for _, name := range []string{"a", "b"} {
		r.hansom(r.zones[name], "run", "kernel.discovery", "kernel.binding", "kernel.login", "kernel.config",
			"--keys", filepath.Join(r.folder, "keys.json"), "--store", "sqlite:"+filepath.Join(r.folder, "store.db"),
			"--config-listen", app.Nothing, "--coord", r.coord)
	}
	for _, name := range []string{"a", "b"} {
		for range targetCopies {
			r.target(r.zones[name])
		}
	}
	return r
}

func (r *region) startCoord() {
	r.t.Helper()
	b, err := broker.Start(r.t.Context(), broker.Config{Dir: filepath.Join(r.folder, "nats"), Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = b.Close(context.Background()) })
	r.coord = b.URL()
}

// startBrokers starts the clusters of all zones at once. A user has one password in the whole region, for those whom a
// proxy leads to another zone.
func (r *region) startBrokers(zones ...string) {
	r.t.Helper()
	plugin, err := rabbitmq.FindExchange()
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*startLimit)
	defer cancel()
	var starting sync.WaitGroup
	var mu sync.Mutex
	for _, name := range zones {
		starting.Go(func() {
			b, err := rabbitmq.Start(ctx, rabbitmq.Config{
				Dir: filepath.Join(r.folder, "rabbitmq-"+name), Plugins: []string{plugin}, Nodes: 2,
				Cluster: regionName + "/" + name, User: "hansom", Password: "secret",
			})
			if err != nil {
				r.t.Error(err)
				return
			}
			r.t.Cleanup(func() { r.end(b) })
			mu.Lock()
			defer mu.Unlock()
			r.zones[name] = &zoneOfRegion{bus: bus.Zone{Region: regionName, Zone: name}, brokers: b}
		})
	}
	starting.Wait()
	if r.t.Failed() {
		r.t.FailNow()
	}
}

// end does without the good order that takes RabbitMQ seconds.
func (r *region) end(b *rabbitmq.Broker) {
	for _, n := range b.Nodes() {
		_ = n.Kill()
	}
	if err := b.Close(context.Background()); err != nil {
		r.t.Errorf("end RabbitMQ: %v", err)
	}
}

// startProxy runs the HAProxy of a zone, and says in the bus URL where the other zone's brokers are.
func (r *region) startProxy(name, other string) {
	r.t.Helper()
	z := r.zones[name]
	p, err := haproxy.Start(r.t.Context(), haproxy.Config{
		Dir: filepath.Join(r.folder, "haproxy-"+name), Own: servers(z.brokers), Others: servers(r.zones[other].brokers),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = p.Close(context.Background()) })
	var others []string
	for _, n := range r.zones[other].brokers.Nodes() {
		others = append(others, n.URL())
	}
	listed := filepath.Join(r.folder, "zones-of-"+name+".json")
	r.writeJSON(listed, map[string][]string{other: others})
	user := url.UserPassword(z.brokers.User())
	management := url.URL{Scheme: "http", User: user, Host: p.Management()}
	q := url.Values{"management": {management.String()}, "zones": {listed}, "region": {regionName}, "zone": {name}}
	z.url = (&url.URL{Scheme: "amqp", User: user, Host: p.Address(), RawQuery: q.Encode()}).String()
}

func servers(b *rabbitmq.Broker) (all []haproxy.Server) {
	for _, n := range b.Nodes() {
		all = append(all, haproxy.Server{AMQP: n.Address(), Management: n.ManagementAddress()})
	}
	return all
}

// initialise makes the environment's keys, and a credential for those who are no part of the hansom command.
func (r *region) initialise() {
	r.t.Helper()
	c := app.Config{Data: r.folder, Bus: r.zones["a"].url, Coord: r.coord, Logger: slog.New(slog.DiscardHandler)}
	if err := app.Init(r.t.Context(), c); err != nil {
		r.t.Fatal(err)
	}
	keys, err := app.ReadKeys(filepath.Join(r.folder, "keys.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.root, err = auth.NewRoot(app.DefaultEnvironment, keys.Login); err != nil {
		r.t.Fatal(err)
	}
	r.writeJSON(filepath.Join(r.folder, target+".json"), r.credential(target))
}

func (r *region) credential(service string) auth.Credential {
	r.t.Helper()
	c, err := r.root.Enrol(service, time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *region) writeJSON(path string, v any) {
	r.t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (z *zoneOfRegion) env() []string {
	return append(os.Environ(), "HANSOM_BUS="+z.url, "HANSOM_REGION="+z.bus.Region, "HANSOM_ZONE="+z.bus.Zone)
}

// hansom runs the command in a zone.
func (r *region) hansom(z *zoneOfRegion, args ...string) *process {
	r.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir = z.env(), r.folder
	return startCommand(r.t, cmd)
}

// target runs an instance of the target in a zone.
func (r *region) target(z *zoneOfRegion) *process {
	r.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Dir = append(z.env(), drillFolder+"="+r.folder), r.folder
	return startCommand(r.t, cmd)
}

// caller is a service in a zone, with a connection of its own.
func (r *region) caller(z *zoneOfRegion) *platform.Service {
	r.t.Helper()
	credential := r.credential("orchestration.drill")
	svc := platform.New("orchestration.drill", platform.Credential(&credential), platform.Place(z.bus), platform.Logger(slog.New(slog.DiscardHandler)))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- svc.Run(ctx, func(ctx context.Context) (*bus.Bus, error) { return dial.Bus(ctx, z.url, z.bus) })
	}()
	r.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			r.t.Logf("%s ended: %v", svc.ID(), err)
		}
	})
	select {
	case <-svc.Ready():
	case err := <-ended:
		ended <- nil
		r.t.Fatalf("%s ended while it started: %v", svc.ID(), err)
	case <-time.After(startLimit):
		r.t.Fatalf("%s is not ready within %v", svc.ID(), startLimit)
	}
	return svc
}
