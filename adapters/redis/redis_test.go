package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hansom-platform/hansom/adapters/adaptertest"
	"github.com/hansom-platform/hansom/adapters/redis"
	"github.com/hansom-platform/hansom/fault"
)

var (
	openEngine = sync.OnceValues(adaptertest.OpenRedis)
	opened     atomic.Pointer[adaptertest.Engine]
)

// TestMain ends the engine that tests started.
func TestMain(m *testing.M) {
	code := m.Run()
	if e := opened.Load(); e != nil {
		if err := e.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close the engine:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// server is the running engine and a service with an adapter for it.
type server struct {
	*adaptertest.Service
	engine *adaptertest.Engine
	cache  *redis.Client
}

// newServer returns nil with -short.
func newServer(t *testing.T) *server {
	t.Helper()
	if testing.Short() {
		t.Log("not tested with -short: it needs a Redis server")
		return nil
	}
	e, err := openEngine()
	if err != nil {
		t.Fatal(err)
	}
	opened.Store(e)
	s := &server{engine: e, Service: adaptertest.NewService(t)}
	s.cache = redis.New(s.Service.Service, "seen")
	return s
}

// settings returns good settings, of which some are changed.
func (s *server) settings(changes ...any) map[string]any {
	settings := map[string]any{"url": s.url(0), "password": adaptertest.Password}
	for i := 0; i < len(changes); i += 2 {
		settings[changes[i].(string)] = changes[i+1]
	}
	return settings
}

func (s *server) url(database int) string {
	u := url.URL{Scheme: "redis", Host: s.engine.Address(), Path: fmt.Sprintf("/%d", database)}
	return u.String()
}

// start runs the service, on databases that are empty.
func (s *server) start(t *testing.T, changes ...any) {
	t.Helper()
	s.Configure("redis", "seen", s.settings(changes...))
	s.Run()
	if err := s.cache.FlushAll(t.Context()).Err(); err != nil {
		t.Fatalf("FLUSHALL: %v", err)
	}
}

// wantFault fails the test unless err is a fault of this code and reason.
func wantFault(t *testing.T, what string, err error, code fault.Code, reason string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code || f.Reason != reason {
		t.Errorf("%s: got %v, want %s %s", what, err, code, reason)
	}
}

func TestCommands(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	for want := range int64(3) {
		if got, err := s.cache.Incr(t.Context(), "n").Result(); got != want+1 || err != nil {
			t.Errorf("INCR gave %d (%v), want %d", got, err, want+1)
		}
	}
	ttl := s.cache.Set(t.Context(), "k", "v", time.Minute)
	if got, err := s.cache.Get(t.Context(), "k").Result(); got != "v" || err != nil || ttl.Err() != nil {
		t.Errorf("GET gave %q (%v, %v), want \"v\"", got, err, ttl.Err())
	}
}

func TestFaultsOfCommands(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	missing := s.cache.Get(t.Context(), "nothing").Err()
	wantFault(t, "GET of nothing", missing, fault.NotFound, "adapters.redis.not_found")
	if !errors.Is(missing, redis.Nil) {
		t.Errorf("errors.Is(%v, redis.Nil) is false", missing)
	}
	s.cache.Set(t.Context(), "text", "x", 0)
	wantFault(t, "LPUSH on a string", s.cache.LPush(t.Context(), "text", 1).Err(), fault.Internal, "adapters.redis.command")
	wantFault(t, "an unknown command", s.cache.ClientKill(t.Context(), "nobody").Err(), fault.Internal, "adapters.redis.command")
	s.cache.XGroupCreateMkStream(t.Context(), "stream", "group", "0")
	wantFault(t, "a group twice", s.cache.XGroupCreate(t.Context(), "stream", "group", "0").Err(), fault.Conflict, "adapters.redis.exists")
}

func TestPipelines(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	pipelines := map[string]func(context.Context, func(goredis.Pipeliner) error) ([]goredis.Cmder, error){
		"pipeline": s.cache.Pipelined, "transaction": s.cache.TxPipelined,
	}
	for name, run := range pipelines {
		var n *goredis.IntCmd
		var missing *goredis.StringCmd
		commands, err := run(t.Context(), func(p goredis.Pipeliner) error {
			n = p.Incr(t.Context(), name)
			missing = p.Get(t.Context(), "nothing")
			return nil
		})
		if len(commands) != 2 || n.Val() != 1 || n.Err() != nil {
			t.Errorf("%s: %d commands, INCR gave %d (%v), want 2 and 1", name, len(commands), n.Val(), n.Err())
		}
		wantFault(t, name+": a command", missing.Err(), fault.NotFound, "adapters.redis.not_found")
		wantFault(t, name+": as a whole", err, fault.NotFound, "adapters.redis.not_found")
	}
}

func TestDoWatchesKeys(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	err := s.cache.Do(t.Context(), func(ctx context.Context, c *goredis.Client) error {
		return c.Watch(ctx, func(tx *goredis.Tx) error {
			if err := s.cache.Set(ctx, "k", "another's", 0).Err(); err != nil {
				return err
			}
			_, err := tx.TxPipelined(ctx, func(p goredis.Pipeliner) error { return p.Set(ctx, "k", "mine", 0).Err() })
			return err
		}, "k")
	})
	wantFault(t, "a watched key that was changed", err, fault.Conflict, "adapters.redis.changed")
}

func TestBudgets(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t, "timeout", "200ms")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	wantFault(t, "BLPOP beyond its budget", s.cache.BLPop(ctx, 5*time.Second, "empty").Err(), fault.Timeout, "deadline")
	if took := time.Since(began); took > time.Second {
		t.Errorf("a budget of 50 ms took %v", took)
	}
	wantFault(t, "BLPOP without a deadline", s.cache.BLPop(context.Background(), 5*time.Second, "empty").Err(), fault.Timeout, "deadline")
}

func TestAFullPoolIsUnavailableWithinTheBudget(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t, "max_open", 1, "wait", "5s")
	holds, release := make(chan struct{}), make(chan struct{})
	var held sync.WaitGroup
	held.Go(func() {
		_ = s.cache.Do(t.Context(), func(context.Context, *goredis.Client) error {
			close(holds)
			<-release
			return nil
		})
	})
	<-holds
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	wantFault(t, "a second operation where one is allowed", s.cache.Get(ctx, "k").Err(), fault.Unavailable, "adapters.redis.pool_exhausted")
	if ctx.Err() != nil {
		t.Errorf("the answer came after the budget of 200 ms, when nobody waits for it any more")
	}
	close(release)
	held.Wait()
}

func TestReconfigurationUnderLoadFailsNothing(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t, "max_open", 4)
	for database := range 2 {
		err := s.cache.Do(t.Context(), func(ctx context.Context, c *goredis.Client) error {
			_, err := c.Pipelined(ctx, func(p goredis.Pipeliner) error {
				p.Select(ctx, database)
				p.Set(ctx, "database", database, 0)
				return p.Select(ctx, 0).Err()
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done atomic.Int64
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for ctx.Err() == nil {
				if err := s.cache.Get(t.Context(), "database").Err(); err != nil {
					t.Errorf("operation %d: %v", done.Load(), err)
					return
				}
				done.Add(1)
			}
		})
	}
	for round := range 6 {
		want := (round + 1) % 2
		s.Configure("redis", "seen", s.settings("url", s.url(want)))
		before := done.Load()
		adaptertest.Await(t, "the new database", func() error {
			if got, err := s.cache.Get(t.Context(), "database").Int(); got != want {
				return fmt.Errorf("the database is %d (%w), want %d", got, err, want)
			}
			if done.Load() < before+100 {
				return fmt.Errorf("only %d operations since", done.Load()-before)
			}
			return nil
		})
	}
	cancel()
	load.Wait()
}

func TestABrokenReconfigurationKeepsTheOld(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	var logged strings.Builder
	cases := []struct {
		name     string
		settings map[string]any
		message  string // that the log explains it with
	}{
		{"a name that is no setting", s.settings("max_opne", 5), "max_opne"},
		{"no database number", s.settings("url", s.url(0)+"zero"), "database"},
		{"an unknown scheme", s.settings("url", "http://x"), "http:"},
		{"a password that is not encoded", s.settings("url", "redis://:"+adaptertest.Password+"@127.0.0.1:1/0"), "percent-encoded"},
		{"a port where nobody listens", s.settings("url", "redis://127.0.0.1:1/0"), "refused"},
		{"a wrong password", s.settings("password", "wr0ng-0ne"), "WRONGPASS"},
		{"a database that is not there", s.settings("url", s.url(99)), "out of range"},
	}
	for _, c := range cases {
		logged.WriteString(s.Log.Take())
		s.Configure("redis", "seen", c.settings)
		s.Log.Await(t, "level=ERROR", "hansom.adapters.redis.seen", "remedy=", c.message)
		if err := s.cache.Check(t.Context()); err != nil {
			t.Errorf("%s: the health check fails though the old configuration works: %v", c.name, err)
		}
	}
	logged.WriteString(s.Log.Take())
	for _, secret := range []string{adaptertest.Password, "wr0ng-0ne"} {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("the log shows the password %q:\n%s", secret, logged.String())
		}
	}
}

func TestAFailoverMayBeAnnouncedBeforeItIsDone(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	next, err := adaptertest.OpenRedis()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := next.Stop(); err != nil {
		t.Fatal(err)
	}
	s.Configure("redis", "seen", s.settings("url", "redis://"+next.Address()+"/0"))
	s.Log.Await(t, "level=ERROR", "the old one stays in force; it is tried again", next.Address())
	if err := s.cache.Set(t.Context(), "on", "the old one", 0).Err(); err != nil {
		t.Errorf("before the failover: %v", err)
	}
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	adaptertest.Await(t, "the new server", func() error {
		err := s.cache.Get(t.Context(), "on").Err()
		if !fault.Is(err, fault.NotFound) {
			return fmt.Errorf("the key is still there (%w)", err)
		}
		return nil
	})
}

func TestWithoutConfigurationAndBack(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	s.Configure("redis", "seen", nil)
	adaptertest.Await(t, "the removal of the configuration", func() error {
		if err := s.cache.Check(t.Context()); fault.ReasonOf(err) != "adapters.redis.not_configured" {
			return fmt.Errorf("the check says %w, want not_configured", err)
		}
		return nil
	})
	_, err := s.cache.Pipelined(t.Context(), func(p goredis.Pipeliner) error { return p.Get(t.Context(), "k").Err() })
	wantFault(t, "a pipeline without configuration", err, fault.Unavailable, "adapters.redis.not_configured")
	s.Configure("redis", "seen", s.settings())
	adaptertest.Await(t, "a configuration that came back", func() error { return s.cache.Check(t.Context()) })
}

func TestAServerThatRestarts(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	if err := s.cache.Check(t.Context()); err != nil {
		t.Errorf("the check of a healthy server: %v", err)
	}
	if err := s.engine.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantFault(t, "without a server", s.cache.Get(t.Context(), "k").Err(), fault.Unavailable, "adapters.redis.unreachable")
	}
	if err := s.cache.Check(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the check without a server: %v, want UNAVAILABLE", err)
	}
	if err := s.engine.Start(); err != nil {
		t.Fatal(err)
	}
	adaptertest.Await(t, "a server that is back", func() error { return s.cache.Check(t.Context()) })
}

func TestAServerThatHangs(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	s.start(t)
	thaw, err := s.engine.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer thaw()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	wantFault(t, "a server that says nothing", s.cache.Get(ctx, "k").Err(), fault.Timeout, "deadline")
	if took := time.Since(began); took > time.Second {
		t.Errorf("a budget of 100 ms took %v", took)
	}
	thaw()
	adaptertest.Await(t, "a server that goes on", func() error { return s.cache.Check(t.Context()) })
}

func TestMetricsAndSpans(t *testing.T) {
	s := newServer(t)
	if s == nil {
		return
	}
	exported := adaptertest.Spans(t, "seen")
	s.start(t, "max_open", 7)
	const sets = "adapter=redis,code=OK,name=seen,operation=SET,service=core.probe"
	before := adaptertest.Sample(t, "hansom_adapter_operations_total", sets)
	if err := s.cache.Set(t.Context(), "alice@example", "bob@example", 0).Err(); err != nil {
		t.Fatal(err)
	}
	_ = s.cache.Get(t.Context(), "carol@example").Err()
	_ = s.cache.LPush(t.Context(), "alice@example", 1).Err()
	if got := adaptertest.Sample(t, "hansom_adapter_operations_total", sets) - before; got != 1 {
		t.Errorf("counted %v operations %s, want 1:\n%s", got, sets, adaptertest.Metrics(t))
	}
	for state, want := range map[string]float64{"in_use": 0, "idle": 1, "max": 7} {
		if got := adaptertest.Sample(t, "hansom_adapter_connections", "adapter=redis,name=seen,service=core.probe,state="+state); got != want {
			t.Errorf("%v connections are %s, want %v", got, state, want)
		}
	}
	text := exported()
	for _, want := range []string{`"Name":"SET seen"`, `"redis"`, `"db.operation.name"`, `"127.0.0.1"`, `"adapters.redis.command"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no span has %s:\n%s", want, text)
		}
	}
	for _, never := range []string{"@example", "rpc.", adaptertest.Password, "adapters.redis.not_found"} {
		if strings.Contains(text, never) {
			t.Errorf("a span has %q:\n%s", never, text)
		}
	}
}
