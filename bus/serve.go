package bus

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// A Handler answers one request. ctx ends when the request's budget is spent or
// the server is closed. The reply of a handler that returns nil is never sent.
type Handler func(ctx context.Context, m *Message) *Message

// Server is an open queue.
type Server struct {
	consumer driver.Consumer
	handler  Handler
	cancel   context.CancelFunc
	ctx      context.Context

	mu       sync.Mutex
	closed   bool
	inflight sync.WaitGroup
}

// Serve opens the queue named instance and answers its messages with h, each in
// a goroutine of its own. It returns once the queue is open. Messages whose
// budget is spent or unreadable are dropped.
func (b *Bus) Serve(ctx context.Context, instance string, h Handler) (*Server, error) {
	s := &Server{handler: h}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c, err := b.driver.Serve(ctx, instance, s.deliver)
	if err != nil {
		s.cancel()
		return nil, err
	}
	s.consumer = c
	return s, nil
}

func (s *Server) deliver(m *Message, r driver.Replier) {
	deadline, ok := deadlineOf(m.Header)
	if !ok || !s.begin() {
		return
	}
	go s.handle(deadline, m, r)
}

// begin counts one more request, unless the server is closed.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.inflight.Add(1)
	}
	return !s.closed
}

func (s *Server) handle(deadline time.Time, m *Message, r driver.Replier) {
	defer s.inflight.Done()
	ctx := &budgetContext{parent: s.ctx, deadline: deadline}
	defer ctx.finish()
	if ctx.Err() != nil {
		return
	}
	if reply := s.handler(ctx, m); reply != nil {
		_ = r.Reply(sendable(reply)) // the caller's own budget covers a reply that cannot be sent
	}
}

// sendable returns reply, or in place of one that is too large an error that
// tells the caller so at once.
func sendable(reply *Message) *Message {
	err := checkSize(reply)
	if err == nil {
		return reply
	}
	return &Message{Header: Header{{Key: HeaderType, Value: TypeError}, {Key: HeaderFault, Value: fault.ReasonOf(err)}}}
}

// deadlineOf turns the budget a message carries into a deadline on this
// machine's clock. Only time on the way is not counted.
func deadlineOf(h Header) (time.Time, bool) {
	ms, err := strconv.ParseInt(h.Get(HeaderBudget), 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}, false
	}
	return time.Now().Add(time.Duration(ms) * time.Millisecond), true
}

// Drain takes no new messages and returns when all that were delivered are
// answered, or with Timeout when ctx ends first; then Close the server.
func (s *Server) Drain(ctx context.Context) error {
	if err := s.consumer.Drain(ctx); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		s.inflight.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Timeout, driver.ReasonDrain, "requests are still being handled")
	}
}

// Close removes the queue, cancels the handlers that still run and waits for them:
// no handler may call it. It is idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.consumer.Close()
	s.cancel()
	s.inflight.Wait()
	return err
}
