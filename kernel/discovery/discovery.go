// Package discovery is kernel.discovery: it knows every running instance in its
// region. Package app runs it; everybody else calls it over the bus.
//
// # The picture
//
// Every listed instance has an ephemeral node /instances/<id> in coord, owned by
// the session of the one discovery instance that it is registered through. All discovery
// instances watch these nodes and hold the same picture in memory. A picture
// loses an instance only when a node says that it was removed, never because a
// node is gone: that means that its discovery instance died or lost its session.
// Such an instance stays listed, and the living discovery instances take it
// over: its own one at once if it still lives, else the first by rendezvous hashing,
// and should that one not act, the next. Since one instance has one node, which moves with its
// registration, no stale node can take a live instance along when it expires.
//
// # Heartbeats
//
// Each discovery instance sends heartbeats to the instances registered
// through it. One that does not answer several in a row is removed. In between
// it asks whether they are connected to the bus at all, for the bus knows at once
// when a process died: one that is not is asked again quickly and is removed about a
// second later; it is asked on for a while and listed again should it have been reconnecting.
//
// # Events
//
// discovery.up and discovery.down tell what changed, published by the discovery
// instance that changed it. discovery.alive says where discovery is. A
// discovery instance that finds no other at its start publishes discovery.reregister,
// and again and again in its first minute, for those who were reconnecting.
package discovery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/platform"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// Name is the service's name.
const Name = "kernel.discovery"

// Config holds the intervals. The zero value of a field means the default in brackets.
type Config struct {
	Interval time.Duration // between heartbeats to one instance (10 s)
	Timeout  time.Duration // for the answer to one (2 s)
	Missed   int           // unanswered in a row before an instance is removed (3)

	Presence   time.Duration // between questions whether an instance is connected to the bus, from one heartbeat to the next (1 s)
	Probes     int           // answers in a row that it is not, before it is removed (4)
	ProbePause time.Duration // between them (300 ms)
	Grace      time.Duration // how long that is no reason where most instances are not connected: the bus was away, and they reconnect (5 s)
	Lookout    time.Duration // how long a removed instance is asked on, in case it comes back (30 s)

	Session time.Duration // ttl of the session in coord; a dead discovery instance's nodes go after it (10 s)
	Settle  time.Duration // before a lost node's instance is taken over (50 ms)
	Turn    time.Duration // before the next discovery instance takes over in place of one that did not act (1 s)
	Linger  time.Duration // how long the mark of a removal is kept in coord (10 s)
}

func (c Config) withDefaults() Config {
	return Config{
		Interval:   orDefault(c.Interval, 10*time.Second),
		Timeout:    orDefault(c.Timeout, 2*time.Second),
		Missed:     orDefault(c.Missed, 3),
		Presence:   orDefault(c.Presence, time.Second),
		Probes:     orDefault(c.Probes, 4),
		Grace:      orDefault(c.Grace, 5*time.Second),
		ProbePause: orDefault(c.ProbePause, 300*time.Millisecond),
		Lookout:    orDefault(c.Lookout, 30*time.Second),
		Session:    orDefault(c.Session, 10*time.Second),
		Settle:     orDefault(c.Settle, 50*time.Millisecond),
		Turn:       orDefault(c.Turn, time.Second),
		Linger:     orDefault(c.Linger, 10*time.Second),
	}
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// discovery is one instance of the service.
type discovery struct {
	config  Config
	coord   *coord.Coord
	svc     *platform.Service
	log     *slog.Logger
	picture *picture
	session atomic.Pointer[coord.Session] // nil until the first one is open
	watcher *coord.Watcher
	lone    bool // no other was found at the start
	outbox  *outbox
	beats   chan struct{} // as many heartbeats at once as it holds
	rounds  rounds
}

// maxBeats bounds how many heartbeats are under way at once.
const maxBeats = 256

// New returns an instance of kernel.discovery that keeps its registrations in c,
// which stays the caller's and is closed after Run has returned.
func New(c *coord.Coord, config Config, opts ...platform.Option) *platform.Service {
	d := &discovery{
		config:  config.withDefaults(),
		coord:   c,
		beats:   make(chan struct{}, maxBeats),
		rounds:  rounds{running: map[string]context.CancelFunc{}},
		outbox:  newOutbox(),
		picture: newPicture(),
	}
	opts = append([]platform.Option{platform.Owner("platform")}, opts...)
	d.svc = platform.New(Name, append(opts, platform.RegisterWith(ownRegistry{d}))...)
	d.log = d.svc.Logger()
	d.picture.me = d.svc.ID()
	discoverypb.RegisterDiscovery(d.svc, d)
	d.prepare()
	return d.svc
}

func (d *discovery) prepare() {
	d.svc.Subscribe(platform.Subscription{Topic: topicWho}, func(ctx context.Context, _ *platform.Event) error {
		return d.publishAlive(ctx)
	})
	d.svc.OnStart(d.start)
	d.svc.Background(d.follow)
	d.svc.Background(d.keepSession)
	d.svc.Background(d.adopt)
	d.svc.Background(d.keepRounds)
	d.svc.Background(d.announce)
	d.svc.Background(d.callIn)
	d.svc.Background(d.deliver)
	d.svc.Check("session in coord", d.checkSession)
}

// ownRegistry registers the discovery instance with itself: its endpoints are not bound yet.
type ownRegistry struct{ d *discovery }

func (r ownRegistry) Register(ctx context.Context, i *discoverypb.Instance) error {
	_, err := r.d.Register(ctx, &discoverypb.RegisterRequest{Instance: i})
	return err
}

func (r ownRegistry) Deregister(ctx context.Context, instance string) error {
	_, err := r.d.Deregister(ctx, &discoverypb.DeregisterRequest{Instance: instance})
	r.d.flush(ctx)
	r.d.closeSession(ctx)
	return err
}
