package coord

import (
	"context"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/coord/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Session owns ephemeral nodes, which exist as long as it does. It is kept alive
// in the background. Once Done is closed it is over for good: its nodes are gone or
// about to go, and its owner opens another one.
type Session struct {
	coord  *Coord
	driver driver.Session

	mu       sync.Mutex
	leftover map[string]time.Time // lock nodes to delete when the engine is back, and since when
}

// NewSession opens a session. Its nodes disappear within about ttl after its
// owner dies. The ttl is between 1 s and some minutes; drivers round it up to
// what the engine can do.
func (c *Coord) NewSession(ctx context.Context, ttl time.Duration) (*Session, error) {
	if ttl < time.Second {
		return nil, fault.New(fault.BadRequest, "coord.ttl", "coord: new session: ttl %v is too short, 1s is the least", ttl)
	}
	s, err := c.driver.NewSession(ctx, ttl)
	if err != nil {
		return nil, opError("new session", ttl.String(), err)
	}
	return &Session{coord: c, driver: s, leftover: make(map[string]time.Time)}, nil
}

// ID returns the session's id, which is unique and stands in Node.Session of its nodes.
func (s *Session) ID() string { return s.driver.ID() }

// Done is closed when the session is over: closed, declared gone by the engine,
// or not renewed within its ttl by this side's clock, which is before the engine
// gives its nodes away.
func (s *Session) Done() <-chan struct{} { return s.driver.Done() }

// Create makes an ephemeral node. Conflict if the path holds a node already.
func (s *Session) Create(ctx context.Context, path string, data []byte) (Node, error) {
	if err := checkWrite(path, data); err != nil {
		return Node{}, err
	}
	return s.create(ctx, path, data)
}

func (s *Session) create(ctx context.Context, path string, data []byte) (Node, error) {
	return s.write("create", path, func() (Node, error) { return s.driver.Create(ctx, path, data) })
}

// Set makes the path an ephemeral node of this session with this data, whatever
// it held before: it creates, replaces, or takes over from another session.
func (s *Session) Set(ctx context.Context, path string, data []byte) (Node, error) {
	if err := checkWrite(path, data); err != nil {
		return Node{}, err
	}
	return s.write("set", path, func() (Node, error) { return s.driver.Set(ctx, path, data) })
}

func (s *Session) write(op, path string, do func() (Node, error)) (Node, error) {
	if s.over() {
		return Node{}, sessionLost(op, path)
	}
	n, err := do()
	if err != nil {
		return Node{}, opError(op, path, err)
	}
	return n, nil
}

// Delete removes a node of this session. NotFound where there is none, Conflict
// where the node is not this session's (any more).
func (s *Session) Delete(ctx context.Context, path string) error {
	if err := checkWrite(path, nil); err != nil {
		return err
	}
	if s.over() {
		return sessionLost("delete", path)
	}
	if err := s.driver.Delete(ctx, path); err != nil {
		return opError("delete", path, err)
	}
	return nil
}

// Close ends the session and removes its nodes at once. If the engine does not
// answer within ctx, they go when the ttl is over. Closing twice is no error.
func (s *Session) Close(ctx context.Context) error {
	if err := s.driver.Close(ctx); err != nil {
		return opError("close session", s.ID(), err)
	}
	return nil
}

func (s *Session) over() bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// bind returns a context that ends with ctx or with the session, whichever is
// first.
func (s *Session) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		select {
		case <-s.Done():
			cancel(ErrSessionLost)
		case <-stopped:
		case <-ctx.Done():
		}
	}()
	return ctx, sync.OnceFunc(func() { close(stopped); cancel(nil) })
}

// settled is how long after a write whose fate is unknown it is looked for: on its
// way to the engine it may be overtaken by those who look.
const settled = 10 * time.Second

// discard deletes a node whose fate is unknown or whose deletion failed. It keeps
// trying until the engine deleted the node, or has not had it for settled, or the
// session is over: a forgotten lock node would block its lock until then.
func (s *Session) discard(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := len(s.leftover) > 0
	s.leftover[path] = time.Now()
	if !running {
		go s.sweep()
	}
}

func (s *Session) sweep() {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if s.over() {
			return
		}
		for _, path := range s.leftovers() {
			s.sweepOne(path)
		}
		if len(s.leftovers()) == 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (s *Session) leftovers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths := make([]string, 0, len(s.leftover))
	for p := range s.leftover {
		paths = append(paths, p)
	}
	return paths
}

func (s *Session) sweepOne(path string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	ctx, unbind := s.bind(ctx)
	defer unbind()
	err := s.driver.Delete(ctx, path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || fault.Is(err, fault.Conflict) ||
		fault.Is(err, fault.NotFound) && time.Since(s.leftover[path]) > settled {
		delete(s.leftover, path)
	}
}
