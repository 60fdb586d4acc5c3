// Package natscoord is the coord driver on NATS JetStream: the embedded server,
// or any cluster of version 2.11 or later. app opens it; nobody else imports it.
//
// All nodes and sessions live in one stream, laid out as a key-value bucket, so
// that one sequence orders them: it is the revision and the fencing token. A
// session is a message with a ttl that its owner rewrites every third of the ttl;
// the server removes it when the owner stops, and says so in the stream. A node
// that names a session exists as long as that session's message does. What dead sessions leave
// behind is invisible at once and is deleted by whoever watches.
//
// A connection that watches anything keeps one consumer and a copy of the
// tree, out of which all its watches are served; a connection that does
// not watch keeps neither. After any doubt (reconnection, gap, silence) the
// copy is read anew.
//
// The server counts ttls in whole seconds and expires up to a second late:
// nodes of a dead owner go within ttl rounded up + 1 s. Sessions
// survive restarts of the server that are shorter than their ttl.
package natscoord

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	mathrand "math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	// requestTimeout bounds calls whose context has no deadline.
	requestTimeout = 5 * time.Second
	// pingInterval bounds, with the two pings that may stay unanswered, how long a
	// server that vanished without a word counts as connected. Sessions that are lost
	// meanwhile could have been kept through another server.
	pingInterval = 2 * time.Second
	// writeTimeout is how long one write to a server that does not read may take.
	writeTimeout = 2 * time.Second
)

// Option configures New and Open.
type Option interface{ apply(*options) }

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

type options struct {
	bucket   string
	replicas int
}

// Bucket names the key-value bucket, by default HANSOM_COORD.
func Bucket(name string) Option { return optionFunc(func(o *options) { o.bucket = name }) }

// Replicas says on how many servers of a cluster the bucket is kept when it is
// created: 1 (the default), 3 or 5. An existing bucket is left as it is.
func Replicas(n int) Option { return optionFunc(func(o *options) { o.replicas = n }) }

// Coord is a driver.Coord on one NATS connection.
type Coord struct {
	nc       *nats.Conn
	owned    bool // nc was made by Open
	js       jetstream.JetStream
	stream   jetstream.Stream
	names    names
	id       string
	replicas int
	link     *link
	mirror   *mirror

	mu       sync.Mutex
	closed   bool
	sessions map[*session]struct{}
}

var _ driver.Coord = (*Coord)(nil)

// New makes a driver on a connection that stays the caller's. The connection
// should reconnect for ever (nats.MaxReconnects(-1)) and without much delay: a session is
// lost when its ttl passes first.
func New(ctx context.Context, nc *nats.Conn, opts ...Option) (*Coord, error) {
	o := options{bucket: defaultBucket, replicas: 1}
	for _, opt := range opts {
		opt.apply(&o)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return nil, translate(ctx, err)
	}
	c := &Coord{
		nc: nc, js: js, names: names{o.bucket}, id: rand.Text(), replicas: o.replicas,
		sessions: make(map[*session]struct{}),
	}
	if err := c.openStream(ctx); err != nil {
		return nil, err
	}
	c.link = newLink(nc)
	c.mirror = newMirror(c)
	return c, nil
}

// Open makes a driver on a connection of its own:
//
//	nats://user:password@host:4222?bucket=HANSOM_COORD&replicas=3
//
// Several servers are separated by commas in the host part. Unknown parameters are refused.
func Open(ctx context.Context, rawURL string) (*Coord, error) {
	servers, opts, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(servers,
		nats.Name("hansom coord"),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectBufSize(-1),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.PingInterval(pingInterval),
		nats.FlusherTimeout(writeTimeout))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "coord.nats.connect",
			"cannot connect to NATS at %s; is the server running there, and are user and password right?", redact(servers))
	}
	c, err := New(ctx, nc, opts...)
	if err != nil {
		nc.Close()
		return nil, err
	}
	c.owned = true
	return c, nil
}

// reconnectDelay grows to 1 s, quick enough for the shortest session, give or take
// a half, so that not all clients of a restarted server come at once.
func reconnectDelay(attempts int) time.Duration {
	d := min(20*time.Millisecond<<min(attempts, 6), time.Second)
	return d/2 + mathrand.N(d)
}

func (o options) check() error {
	bad := func(r rune) bool { return !bucketRune(r) }
	switch {
	case o.bucket == "" || strings.ContainsFunc(o.bucket, bad):
		return fault.New(fault.BadRequest, "coord.nats.bucket", "bad bucket name %q: use letters, digits, '_' and '-'", o.bucket)
	case o.replicas < 1 || o.replicas > 5:
		return fault.New(fault.BadRequest, "coord.nats.replicas", "%d replicas are not possible: use 1, 3 or 5", o.replicas)
	}
	return nil
}

func parseURL(rawURL string) (servers string, opts []Option, err error) {
	base, query, _ := strings.Cut(rawURL, "?")
	params, err := url.ParseQuery(query)
	if err != nil || !strings.HasPrefix(base, "nats://") && !strings.HasPrefix(base, "tls://") {
		return "", nil, fault.New(fault.BadRequest, "coord.nats.url",
			"bad URL %q: it must look like nats://user:password@host:4222?bucket=%s", redact(rawURL), defaultBucket)
	}
	for name, values := range params {
		switch name {
		case "bucket":
			opts = append(opts, Bucket(values[0]))
		case "replicas":
			n, err := strconv.Atoi(values[0])
			if err != nil {
				return "", nil, fault.New(fault.BadRequest, "coord.nats.url", "replicas=%q in the URL is not a number", values[0])
			}
			opts = append(opts, Replicas(n))
		default:
			return "", nil, fault.New(fault.BadRequest, "coord.nats.url",
				"unknown parameter %q in the URL; known are bucket and replicas", name)
		}
	}
	return base, opts, nil
}

// redact hides passwords, which stand before an @.
func redact(servers string) string {
	parts := strings.Split(servers, ",")
	for i, p := range parts {
		if scheme, rest, ok := strings.Cut(p, "://"); ok {
			if at := strings.LastIndex(rest, "@"); at >= 0 {
				parts[i] = scheme + "://…" + rest[at:]
			}
		}
	}
	return strings.Join(parts, ",")
}

func (c *Coord) openStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeoutOf(ctx))
	defer cancel()
	s, err := persist(ctx, c.findStream)
	if err != nil {
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, nats.ErrNoResponders) {
			return fault.Wrap(err, fault.Unavailable, "coord.nats.jetstream",
				"the NATS server has no JetStream; start it with -js and a store folder")
		}
		return translate(ctx, err)
	}
	cfg := s.CachedInfo().Config
	if !cfg.AllowMsgTTL || cfg.SubjectDeleteMarkerTTL == 0 || cfg.MaxMsgsPerSubject != 1 {
		return fault.New(fault.BadRequest, "coord.nats.stream",
			"stream %s was made by somebody else: it lacks history 1, message ttls or delete markers; use another bucket or delete it", c.names.stream())
	}
	c.stream, c.replicas = s, cfg.Replicas
	return nil
}

// findStream returns the stream and creates it if it is not there.
func (c *Coord) findStream(ctx context.Context) (jetstream.Stream, error) {
	s, err := c.js.Stream(ctx, c.names.stream())
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return s, err
	}
	s, err = c.js.CreateStream(ctx, c.streamConfig())
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return c.js.Stream(ctx, c.names.stream())
	}
	return s, err
}

// streamConfig is that of a key-value bucket but for direct reads, which could be
// answered by a replica that lags behind.
func (c *Coord) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                   c.names.stream(),
		Description:            "Hansom coordination: nodes and sessions",
		Subjects:               []string{c.names.all()},
		MaxMsgsPerSubject:      1,
		MaxMsgs:                -1,
		MaxBytes:               -1,
		MaxMsgSize:             -1,
		MaxConsumers:           -1,
		Discard:                jetstream.DiscardNew,
		Storage:                jetstream.FileStorage,
		Replicas:               c.replicas,
		AllowRollup:            true,
		DenyDelete:             true,
		AllowMsgTTL:            true,
		SubjectDeleteMarkerTTL: markerTTL,
		Duplicates:             time.Second,
	}
}

// NewSession opens a session. The server knows ttls in whole seconds: fractions are rounded up.
func (c *Coord) NewSession(ctx context.Context, ttl time.Duration) (driver.Session, error) {
	ttl = time.Duration(math.Ceil(ttl.Seconds())) * time.Second
	if ttl < minTTL || ttl > maxTTL {
		return nil, fault.New(fault.BadRequest, "coord.nats.ttl", "a ttl of %v is not between %v and %v", ttl, minTTL, maxTTL)
	}
	s, err := c.openSession(ctx, ttl)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if !c.closed {
		c.sessions[s] = struct{}{}
		c.mu.Unlock()
		return s, nil
	}
	c.mu.Unlock()
	return nil, errors.Join(errClosed, s.Close(ctx))
}

func (c *Coord) forget(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// Close implements driver.Coord.
func (c *Coord) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	sessions := make([]*session, 0, len(c.sessions))
	for s := range c.sessions {
		sessions = append(sessions, s)
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, requestTimeoutOf(ctx))
	defer cancel()
	var errs []error
	for _, s := range sessions {
		errs = append(errs, s.Close(ctx))
	}
	c.mirror.close()
	c.link.close()
	if c.owned {
		c.nc.Close()
	}
	return errors.Join(errs...)
}
