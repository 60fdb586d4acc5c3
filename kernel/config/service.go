package config

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hansom-platform/hansom/platform"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/store"
)

// Service is an instance of kernel.config. Its HTTP side needs no bus: Start serves it
// before Run connects, and it goes on while the bus is away.
type Service struct {
	*platform.Service
	server *server

	mu      sync.Mutex
	stop    context.CancelFunc // of what Start began; nil before
	web     *web               // nil where Listen is "none"
	work    sync.WaitGroup
	started bool
}

// New returns an instance that keeps its history in st, which stays the caller's and
// is closed after Run has returned.
func New(st *store.Store, config Config, opts ...platform.Option) *Service {
	config = config.withDefaults()
	s := &server{config: config, table: st.Table("config"), outbox: newOutbox()}
	s.svc = platform.New(Name, append([]platform.Option{platform.Owner("platform"), platform.Configure(itself{s})}, opts...)...)
	s.log, s.verifier = s.svc.Logger(), s.svc.Verifier
	configpb.RegisterConfig(s.svc, s)
	service := &Service{Service: s.svc, server: s}
	s.svc.OnStart(service.Start)
	s.svc.Background(s.publish)
	s.svc.Background(s.announce)
	s.svc.Subscribe(platform.Subscription{Topic: topicChanged}, s.hear)
	s.svc.Subscribe(platform.Subscription{Topic: topicRevision}, s.hear)
	s.svc.Check("store", st.Check)
	s.svc.Background(func(ctx context.Context) error {
		<-ctx.Done()
		return service.Close()
	})
	return service
}

// Start reads the history and serves HTTP, until Close. The error says whether the key is
// not the one that belongs to the store, the store cannot be read, or the address is taken. Starting
// again does nothing.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil
	}
	if err := s.server.open(ctx); err != nil {
		return fmt.Errorf("start kernel.config: %w", err)
	}
	if s.server.config.Listen != "none" {
		w, err := listen(ctx, s.server)
		if err != nil {
			return err
		}
		s.web = w
		s.work.Go(w.serve)
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.started = stop, true
	s.work.Go(func() { s.server.follow(working) })
	return nil
}

// Addr returns the address that HTTP is served on, or "" where it is not.
func (s *Service) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.web == nil {
		return ""
	}
	return s.web.listener.Addr().String()
}

// Run starts the instance and runs it as platform.Service.Run does.
func (s *Service) Run(ctx context.Context, dial platform.Dial) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	return errors.Join(s.Service.Run(ctx, dial), s.Close())
}

// Close ends what Start began: those who wait for a change are answered at once. Run closes by itself.
func (s *Service) Close() error {
	s.mu.Lock()
	stop, w := s.stop, s.web
	s.stop = nil
	s.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	var err error
	if w != nil {
		err = w.close()
	}
	s.work.Wait()
	return err
}

// itself compiles the instance's own configuration, over no bus.
type itself struct{ *server }

// Compile implements platform.ConfigSource.
func (i itself) Compile(ctx context.Context, r *configpb.CompileRequest) (*configpb.CompileResponse, error) {
	if err := i.ready(); err != nil {
		return nil, err
	}
	state, err := i.history.Reach(ctx, max(r.GetAsOf(), r.GetAtLeast()))
	if err != nil {
		return nil, err
	}
	return i.compile(ctx, caller{service: Name, admin: true}, state, r)
}
