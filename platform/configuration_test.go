package platform_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/config"
	"github.com/hansom-platform/hansom/platform/platformtest"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// configServer is kernel.config as far as an instance can tell.
type configServer struct {
	env *platformtest.Env

	mu       sync.Mutex
	document string
	revision uint64
	asked    int // by core.a
	fail     error
	lag      int // answers to give of the revision before
}

func newConfigServer(env *platformtest.Env, document string) *configServer {
	s := &configServer{env: env, document: document, revision: 1}
	return s.start()
}

func (s *configServer) start() *configServer {
	platformtest.Fake(s.env, configpb.ConfigCompile, s.Compile)
	return s
}

func (s *configServer) Compile(_ context.Context, r *configpb.CompileRequest) (*configpb.CompileResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.GetLayers().GetService() == "core.a" {
		s.asked++
	}
	if s.fail != nil {
		return nil, s.fail
	}
	if s.lag > 0 {
		s.lag--
		return &configpb.CompileResponse{Document: []byte(`{"a":"stale"}`), Hash: "stale", Revision: s.revision - 1}, nil
	}
	if r.GetAtLeast() > s.revision {
		return nil, fault.New(fault.BadRequest, "kernel.config.no_such", "there is no revision %d", r.GetAtLeast())
	}
	sum := sha256.Sum256([]byte(s.document))
	hash := hex.EncodeToString(sum[:])
	if hash == r.GetHash() {
		return &configpb.CompileResponse{Hash: hash, Revision: s.revision, Unchanged: true}, nil
	}
	return &configpb.CompileResponse{Document: []byte(s.document), Hash: hash, Revision: s.revision}, nil
}

func (s *configServer) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *configServer) now() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

// write changes the document without telling anybody.
func (s *configServer) write(document string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.document = document
	s.revision++
}

// change does f to what the server is, between two requests.
func (s *configServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *configServer) publish(t *testing.T, topic string, m *configpb.Changed) {
	t.Helper()
	if err := s.env.Client().PublishEvent(t.Context(), topic, m); err != nil {
		t.Fatalf("publish to %s: %v", topic, err)
	}
}

// push changes the document and tells of it as a change of the ids.
func (s *configServer) push(t *testing.T, document string, ids ...string) {
	t.Helper()
	s.write(document)
	s.publish(t, "config.changed", &configpb.Changed{Revision: s.now(), Previous: s.now() - 1, Ids: ids})
}

func (s *configServer) announce(t *testing.T) {
	t.Helper()
	s.publish(t, "config.revision", &configpb.Changed{Revision: s.now()})
}

func coreA(env *platformtest.Env, opts ...platform.Option) *platform.Service {
	return platform.New("core.a", append([]platform.Option{platform.Logger(env.Logger())}, opts...)...)
}

// settle has everything that is under way within a second come to its end.
func settle() {
	<-time.After(time.Second)
	synctest.Wait()
}

func wantValue(t *testing.T, s *platform.Service, want string) {
	t.Helper()
	if got := s.Config().String("a", "default"); got != want {
		t.Errorf("the value is %q, want %q", got, want)
	}
}

func reported(t *testing.T, env *platformtest.Env, s *platform.Service) *hansompb.ConfigResponse {
	t.Helper()
	answer := new(hansompb.ConfigResponse)
	err := env.Client().Call(platform.To(t.Context(), s.ID()), platform.Builtin(s.Name(), platform.EndpointConfig), &hansompb.ConfigRequest{}, answer)
	if err != nil {
		t.Fatalf("ask %s for its configuration: %v", s.ID(), err)
	}
	return answer
}

func wantReport(t *testing.T, env *platformtest.Env, s *platform.Service, source string, revision uint64) {
	t.Helper()
	if r := reported(t, env, s); r.GetSource() != source || r.GetRevision() != revision || r.GetProblem() != "" {
		t.Errorf("it reports %v, want source %s, revision %d and no problem", r, source, revision)
	}
}

func TestConfigurationIsThereForAllCode(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		newConfigServer(env, `{"a": "one"}`)
		s := coreA(env)
		var mu sync.Mutex
		var seen []string
		see := func(where string) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, where+"="+config.String(ctx, "a", "default"))
				return nil
			}
		}
		s.OnStart(see("start"))
		s.Background(see("background"))
		s.Subscribe(bus.Subscription{Topic: "told"}, func(ctx context.Context, _ *bus.Event) error { return see("event")(ctx) })
		e := endpoint("core.a", "try")
		s.Handle(e, text(func(ctx context.Context, _ string) (string, error) {
			return "", see("handler")(platform.WithOverlay(ctx, "x"))
		}))
		env.Start(s)
		if _, err := say(t.Context(), env.Client(), e, ""); err != nil {
			t.Fatal(err)
		}
		if err := env.Client().PublishEvent(t.Context(), "told", &configpb.Changed{}); err != nil {
			t.Fatal(err)
		}
		settle()
		want := []string{"background=one", "event=one", "handler=one", "start=one"}
		if slices.Sort(seen); !slices.Equal(seen, want) {
			t.Errorf("got %v, want %v", seen, want)
		}
		wantReport(t, env, s, "bus", 1)
	})
}

func TestHandlersReadConfigurationWithoutAllocating(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		s := coreA(env)
		allocated := -1.0
		e := endpoint("core.a", "try")
		s.Handle(e, text(func(ctx context.Context, _ string) (string, error) {
			allocated = testing.AllocsPerRun(100, func() { config.Int(ctx, "n", 0) })
			return "", nil
		}))
		env.Configure(s, `{"n": 1}`)
		env.Start(s)
		if _, err := say(t.Context(), env.Client(), e, ""); err != nil || allocated != 0 {
			t.Errorf("a getter in a handler allocates %v times (error %v), want never", allocated, err)
		}
	})
}

func TestStartWithoutConfigService(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		s := coreA(env)
		begin := time.Now()
		env.Start(s)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the start took %v, want it not to wait for a kernel.config that is not there", took)
		}
		r := reported(t, env, s)
		if r.GetSource() != "none" || !strings.Contains(r.GetProblem(), "NO_ROUTE") {
			t.Errorf("it reports %v, want source none and why", r)
		}
		newConfigServer(env, `{"a": "one"}`)
		<-time.After(10 * time.Second)
		wantValue(t, s, "one")
		wantReport(t, env, s, "bus", 1)
	})
}

func TestStartWithConfigServiceThatHangs(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		platformtest.Fake(env, configpb.ConfigCompile, func(ctx context.Context, _ *configpb.CompileRequest) (*configpb.CompileResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		s := coreA(env)
		begin := time.Now()
		env.Start(s)
		if took := time.Since(begin); took > 2100*time.Millisecond {
			t.Errorf("the start took %v, want 2 s at most", took)
		}
	})
}

func TestPushedChangeIsApplied(t *testing.T) {
	for _, id := range []string{"base", "base/core.a", "region/local", "region/local/core.a", "env/local", "env/local/core.a"} {
		platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
			kernel := newConfigServer(env, `{"a": "one"}`)
			s := coreA(env)
			env.Start(s)
			applied := make(chan time.Time, 1)
			s.Config().OnChange("a", func() { applied <- time.Now() })
			begin := time.Now()
			kernel.push(t, `{"a": "two"}`, "city/LON", id)
			if took := (<-applied).Sub(begin); took > 50*time.Millisecond {
				t.Errorf("a change of %s was applied after %v, want 50 ms at most", id, took)
			}
			wantValue(t, s, "two")
			wantReport(t, env, s, "bus", 2)
		})
	}
}

func TestOtherChangesAreOnlyNoted(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		s := coreA(env)
		env.Start(s)
		for _, id := range []string{"base/core.b", "city/LON", "region/other", "env/other/core.a", "schema/base"} {
			kernel.push(t, `{"a": "one"}`, id)
			settle()
			kernel.announce(t)
			settle()
		}
		if n := kernel.requests(); n != 1 {
			t.Errorf("it asked %d times, want once, at its start", n)
		}
		wantReport(t, env, s, "bus", 6)
	})
}

func TestMissedPushIsRepaired(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		s := coreA(env)
		env.Start(s)
		kernel.write(`{"a": "two"}`)
		kernel.announce(t)
		settle()
		wantValue(t, s, "two")

		kernel.write(`{"a": "three"}`)
		kernel.push(t, `{"a": "three"}`, "city/LON") // counts from a revision that s has not heard of
		settle()
		wantValue(t, s, "three")
		wantReport(t, env, s, "bus", 4)
	})
}

func TestBurstIsAskedForOnce(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		s := coreA(env)
		env.Start(s)
		for i := range 100 {
			kernel.push(t, fmt.Sprintf(`{"a": "%d"}`, i), "base")
		}
		settle()
		wantValue(t, s, "99")
		if n := kernel.requests(); n > 4 {
			t.Errorf("a burst of 100 changes was asked for %d times, want at most 3", n-1)
		}
	})
}

func TestOlderAnswerThanAnnouncedIsAskedForAgain(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		s := coreA(env)
		env.Start(s)
		s.Config().OnChange("a", func() {
			if got := s.Config().String("a", ""); got == "stale" {
				t.Error("it took a document over that is older than announced")
			}
		})
		kernel.change(func() { kernel.lag = 2 })
		kernel.push(t, `{"a": "two"}`, "base")
		settle()
		wantValue(t, s, "two")
	})
}

func TestHistoryFromABackupIsFollowed(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		kernel.change(func() { kernel.revision = 500 })
		s := coreA(env)
		env.Start(s)
		kernel.change(func() { kernel.document, kernel.revision = `{"a": "restored"}`, 3 })
		for range 4 {
			kernel.announce(t)
			settle()
		}
		wantValue(t, s, "restored")
		kernel.push(t, `{"a": "later"}`, "base")
		settle()
		wantValue(t, s, "later")
		wantReport(t, env, s, "bus", 4)
	})
}

func TestFailuresAreRetried(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		s := coreA(env)
		env.Start(s)
		kernel.change(func() { kernel.fail = fault.New(fault.Unavailable, "kernel.config.store", "the store is away") })
		kernel.push(t, `{"a": "two"}`, "base")
		settle()
		wantValue(t, s, "one")
		if p := reported(t, env, s).GetProblem(); !strings.Contains(p, "the store is away") {
			t.Errorf("the problem is %q, want why it could not ask", p)
		}
		kernel.change(func() { kernel.fail = nil })
		<-time.After(10 * time.Second)
		wantValue(t, s, "two")
		wantReport(t, env, s, "bus", 2)
	})
}

func TestDocumentThatIsNoObjectKeepsTheLastGood(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		s := coreA(env)
		env.Start(s)
		kernel.push(t, `["hunter2"]`, "base")
		settle()
		wantValue(t, s, "one")
		kernel.push(t, `["hunter2"]`, "city/LON")
		settle()
		r := reported(t, env, s)
		if r.GetRevision() != 1 || !strings.Contains(r.GetProblem(), "must be a JSON object") || strings.Contains(r.GetProblem(), "hunter2") {
			t.Errorf("it reports %v, want revision 1 and why, without the value", r)
		}
		if n := kernel.requests(); n != 2 {
			t.Errorf("it asked %d times, want twice: asking again does not mend the document", n)
		}
		kernel.push(t, `{"a": "two"}`, "base")
		settle()
		wantReport(t, env, s, "bus", 4)
	})
}

func TestChangeLeavesBreakersAsTheyAre(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "one"}`)
		e := endpoint("core.peer", "try")
		peer := platform.New("core.peer", platform.Logger(quiet))
		peer.Handle(e, text(func(context.Context, string) (string, error) {
			return "", fault.New(fault.Internal, "core.peer.broken", "broken")
		}))
		s := coreA(env)
		env.Start(peer, s)
		for range 110 {
			_, _ = say(t.Context(), s, e, "")
		}
		if _, err := say(t.Context(), s, e, ""); !strings.Contains(fault.ReasonOf(err), "circuit") {
			t.Fatalf("got %v, want an open circuit", err)
		}
		kernel.push(t, `{"a": "two"}`, "base")
		for s.Config().String("a", "") != "two" {
			<-time.After(time.Millisecond)
		}
		if _, err := say(t.Context(), s, e, ""); !strings.Contains(fault.ReasonOf(err), "circuit") {
			t.Errorf("after a change of the configuration: %v, want the circuit open still", err)
		}
	})
}

func TestConfigureReplacesTheSource(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "kernel"}`)
		dir := t.TempDir()
		own := &configServer{env: env, document: `{"a": "own"}`, revision: 7}
		s := coreA(env, platform.Configure(own), platform.ConfigCache(dir))
		env.Start(s)
		wantValue(t, s, "own")
		own.push(t, `{"a": "changed"}`, "base")
		settle()
		wantValue(t, s, "changed")
		files, err := os.ReadDir(dir)
		if n := kernel.requests(); n != 0 || len(files) != 0 || err != nil {
			t.Errorf("kernel.config was asked %d times and there is %v on disk (error %v), want neither", n, files, err)
		}
	})
}

func TestCacheIsUsedAndRefreshed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "local", "local", "core.a.json")
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		kernel := newConfigServer(env, `{"a": "<one>", "secret": "x", "n": 9007199254740993}`)
		s := coreA(env, platform.ConfigCache(dir))
		env.Start(s)
		kernel.push(t, `{"a": "<two>", "secret": "x", "n": 9007199254740993}`, "base")
		settle()
	})
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%s is %v (error %v), want mode 0600: there are secrets in it", file, info, err)
	}
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		s := coreA(env, platform.ConfigCache(dir))
		s.OnStart(func(ctx context.Context) error {
			if got := config.String(ctx, "a", ""); got != "<two>" {
				t.Errorf("OnStart sees %q, want what was kept on disk", got)
			}
			return nil
		})
		env.Start(s)
		if r := reported(t, env, s); r.GetSource() != "disk" || r.GetRevision() != 2 {
			t.Errorf("it reports %v, want revision 2 from disk", r)
		}
		newConfigServer(env, `{"a": "<two>", "secret": "x", "n": 9007199254740993}`)
		// Its history is a new one: what is on disk is no measure for it.
		<-time.After(10 * time.Second)
		wantReport(t, env, s, "bus", 1)
	})
	if left, err := filepath.Glob(filepath.Join(dir, "local", "local", "*")); len(left) != 1 || err != nil {
		t.Errorf("in the folder are %v (error %v), want one file", left, err)
	}
}

func TestDamagedCacheIsIgnored(t *testing.T) {
	good := `{"revision":2,"hash":"h","sha256":"%s","document":{"a":"kept"}}`
	sum := sha256.Sum256([]byte(`{"a":"kept"}`))
	good = fmt.Sprintf(good, hex.EncodeToString(sum[:]))
	for what, text := range map[string]string{
		"nothing in it":      "",
		"half of it":         good[:len(good)/2],
		"another value":      strings.Replace(good, "kept", "KEPT", 1),
		"a document of text": `{"revision":2,"document":"x"}`,
		"zeros":              strings.Repeat("\x00", 100),
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "local", "local", "core.a.json")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
			s := coreA(env, platform.ConfigCache(dir))
			env.Start(s)
			if r := reported(t, env, s); r.GetSource() != "none" || r.GetRevision() != 0 {
				t.Errorf("with %s: it reports %v, want none", what, r)
			}
		})
	}
}

func TestCacheThatCannotBeWrittenIsNoHindrance(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		newConfigServer(env, `{"a": "one"}`)
		s := coreA(env, platform.ConfigCache(dir))
		env.Start(s)
		wantValue(t, s, "one")
	})
}
