package rabbitbus

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// A target is where a request goes.
type target struct{ exchange, key string }

// Request implements driver.Bus.
func (c *conn) Request(ctx context.Context, instance string, m *driver.Message) (*driver.Message, error) {
	to := target{exchangeDirect, instance}
	if instance == "" {
		to = target{exchangeRequests, m.Header.Get(driver.HeaderService)}
	}
	if len(to.key) > maxShort { // nothing is bound under a longer name
		return nil, to.unroutable()
	}
	if err := checkFields(m.Header); err != nil {
		return nil, err
	}
	for attempt := 0; ; attempt++ {
		s, waited, err := c.ready(ctx)
		if err != nil {
			return nil, err
		}
		if waited || attempt > 0 {
			m = withBudget(ctx, m)
		}
		reply, err := s.ask(ctx, to, m)
		switch {
		case errors.Is(err, errNotSent) && s.awaitLane(ctx):
		case errors.Is(err, errNotSent):
			return nil, errDisconnected(err)
		case errors.Is(err, errNobodyYet) && s.isFresh() && pause(ctx, min(backoff(attempt), longestResend)):
		case errors.Is(err, errNobodyYet) && s.isFresh() && to.exchange == exchangeRequests:
			return nil, driver.NoRoute(to.key, driver.MissGone, time.Time{}) // which may be tried again
		case errors.Is(err, errNobodyYet):
			return nil, fault.From(err)
		default:
			return reply, err
		}
	}
}

var (
	// errNotSent is in the chain where nothing was sent because the connection, or only the lane, just broke.
	errNotSent = errors.New("nothing was sent")
	// errNobodyYet is in the chain of a NoRoute that says little on a connection that has just come back: the instances that
	// are bound have no queue, or no keeper is there to explain. They lost their connections too and are on their way.
	errNobodyYet = errors.New("nobody is there yet")
)

const (
	longestResend = 50 * time.Millisecond
	laneDelay     = 5 * time.Millisecond // about what opening a lane anew takes
)

// isFresh tells whether the connection came back just now.
func (s *session) isFresh() bool { return s.number > 1 && time.Since(s.begun) < patience }

// ready returns a session that takes messages, within ctx, and whether that took waiting.
func (c *conn) ready(ctx context.Context) (s *session, waited bool, err error) {
	if s := c.connection.live.Load(); s.ctx.Err() == nil && !s.line.shut() {
		return s, false, nil
	}
	if s, err = c.session(ctx); err != nil {
		return nil, true, err
	}
	if err := s.line.awaitRoom(ctx); err != nil {
		return nil, true, fault.Wrap(err, fault.Unavailable, driver.ReasonDisconnected,
			"the broker took no messages in time (it may be short of memory or disk); nothing was sent")
	}
	return s, true, nil
}

// awaitLane waits until requests can be sent again: with the next session, or on this one soon. It is false when ctx ends before.
func (s *session) awaitLane(ctx context.Context) bool {
	select {
	case <-s.ctx.Done():
	case <-time.After(laneDelay):
	case <-ctx.Done():
		return false
	}
	return true
}

// ask sends m and waits for the reply.
func (s *session) ask(ctx context.Context, to target, m *driver.Message) (*driver.Message, error) {
	w := waiters.Get().(*waiter)
	l, err := s.lanes.enrol(w)
	if err != nil {
		waiters.Put(w)
		return nil, errors.Join(errNotSent, err)
	}
	p := s.request(m, w.number)
	_, err = l.channel.PublishWithDeferredConfirm(to.exchange, to.key, true, false, p)
	recycle(&p)
	if err != nil {
		l.leave(w, false)
		return nil, s.notSent(err, to)
	}
	select {
	case a := <-w.answer:
		l.leave(w, true)
		return to.read(a)
	case <-ctx.Done():
		l.leave(w, false)
		return nil, givenUp(ctx)
	}
}

func (s *session) request(m *driver.Message, number uint64) amqp.Publishing {
	p := publishing(m, amqp.Table{headerZone: s.conn.zone, headerReply: s.replies})
	p.CorrelationId = strconv.FormatUint(number, 10)
	p.ReplyTo = directReplyTo
	p.Expiration = expiration(m.Header)
	return p
}

// notSent codes an error of publishing, of which the broker saw nothing whole.
func (s *session) notSent(err error, to target) error {
	if s.amqp.IsClosed() || errors.Is(err, amqp.ErrClosed) || errors.Is(err, net.ErrClosed) {
		return errors.Join(errNotSent, err)
	}
	return engineError(err, "take a request for "+to.key)
}

// maxExpiration is the longest that RabbitMQ takes, in milliseconds.
const maxExpiration = 1<<32 - 1

// expiration lets the broker drop a message when its budget is spent.
func expiration(h driver.Header) string {
	budget := h.Get(driver.HeaderBudget)
	if ms, err := strconv.ParseUint(budget, 10, 64); err != nil || ms > maxExpiration {
		return ""
	}
	return budget
}

// read turns an answer into what the caller gets.
func (to target) read(a answer) (*driver.Message, error) {
	switch {
	case a.err != nil:
		return nil, a.err
	case a.returned:
		return nil, errors.Join(errNobodyYet, to.unroutable())
	}
	if reason, refused := a.headers[headerNoRoute].(string); refused {
		f := fault.New(fault.NoRoute, reason, "%s", a.body)
		if reason == driver.ReasonGone {
			return nil, errors.Join(errNobodyYet, f)
		}
		return nil, f
	}
	reply := new(driver.Message)
	if err := messageOf(a.headers, a.encoding, a.body, reply); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "bus.bad_reply", "the reply cannot be read")
	}
	return reply, nil
}

// unroutable is the fault where the broker found no queue and no keeper says why.
func (to target) unroutable() error {
	if to.exchange == exchangeDirect {
		return driver.NoInstance(to.key)
	}
	return driver.NoRoute(to.key, driver.MissUnknown, time.Time{})
}

// withBudget returns m with the budget that is left now, for a message that had to wait.
func withBudget(ctx context.Context, m *driver.Message) *driver.Message {
	deadline, ok := ctx.Deadline()
	if !ok {
		return m
	}
	fresh := &driver.Message{Header: m.Header.Clone(), Body: m.Body}
	fresh.Header.Set(driver.HeaderBudget, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
	return fresh
}

func givenUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.Wrap(ctx.Err(), fault.Timeout, driver.ReasonTimeout, "no reply came within the time budget")
	}
	return fault.From(ctx.Err())
}
