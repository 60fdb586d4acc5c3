package rabbitbus

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// requestLanes is the number of channels that a session sends requests on. A channel is a process
// of the broker's, but its reader of the connection's socket is one: with 64 callers, one lane carried
// a tenth more than four (BenchmarkAgainstBareAMQP, two cores).
const requestLanes = 1

// A lane is a channel that requests are sent on, with those that wait for their replies. A channel
// that the broker closes takes its direct replies with it.
type lane struct {
	channel *amqp.Channel

	mu      sync.Mutex
	waiters map[uint64]*waiter
	err     error // why nothing is sent here any more
}

type waiter struct {
	number uint64
	answer chan answer // room for one, so that nobody ever blocks on it
}

// An answer is a reply, or the fault that stands for it.
type answer struct {
	headers  amqp.Table
	encoding string
	body     []byte
	returned bool // the broker found no queue, and nobody to explain why
	err      error
}

var waiters = sync.Pool{New: func() any { return &waiter{answer: make(chan answer, 1)} }}

// lanes are those of a session. A request's number says which lane it is in.
type lanes struct {
	next atomic.Uint64
	all  [requestLanes]atomic.Pointer[lane]
}

// enrol gives w a number and a lane to wait in.
func (ls *lanes) enrol(w *waiter) (*lane, error) {
	var err error
	for range requestLanes {
		w.number = ls.next.Add(1)
		l := ls.of(w.number)
		if err = l.add(w); err == nil {
			return l, nil
		}
	}
	return nil, err
}

func (ls *lanes) of(number uint64) *lane { return ls.all[number%requestLanes].Load() }

// deliver hands a reply to its waiter, and drops it where nobody waits any more.
func (ls *lanes) deliver(correlation string, a answer) {
	number, err := strconv.ParseUint(correlation, 10, 64)
	if err != nil {
		return
	}
	if w := ls.of(number).take(number); w != nil {
		w.answer <- a
	}
}

func (l *lane) add(w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.waiters[w.number] = w
	}
	return l.err
}

func (l *lane) take(number uint64) *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.waiters[number]
	if w != nil {
		delete(l.waiters, number)
	}
	return w
}

// leave ends w's wait. answered says whether the answer was taken.
func (l *lane) leave(w *waiter, answered bool) {
	if !answered && l.take(w.number) == nil {
		<-w.answer // it is being delivered at this moment
	}
	waiters.Put(w)
}

// end fails whoever waits, and whoever comes.
func (l *lane) end(err error) {
	l.mu.Lock()
	all := l.waiters
	l.waiters, l.err = nil, err
	l.mu.Unlock()
	for _, w := range all {
		w.answer <- answer{err: err}
	}
}

// openLane opens lane i, and again when the broker closes its channel.
func (s *session) openLane(ctx context.Context, i int) error {
	channel, err := s.channel(ctx)
	if err != nil {
		return err
	}
	closed := channel.NotifyClose(make(chan *amqp.Error, 1))
	returns := channel.NotifyReturn(make(chan amqp.Return, 64))
	var replies <-chan amqp.Delivery
	err = perform(ctx, channel, func() (err error) {
		replies, err = channel.Consume(directReplyTo, "", true, false, false, false, nil)
		return err
	})
	if err != nil {
		return engineError(err, "send replies straight back")
	}
	l := &lane{channel: channel, waiters: map[uint64]*waiter{}}
	s.lanes.all[i].Store(l)
	s.conn.tasks.Go(func() {
		for r := range returns {
			s.lanes.deliver(r.CorrelationId, answer{returned: true})
		}
	})
	s.conn.tasks.Go(func() {
		for d := range replies {
			s.lanes.deliver(d.CorrelationId, answer{headers: d.Headers, encoding: d.ContentEncoding, body: d.Body})
		}
		l.end(s.laneError(<-closed))
		s.reopenLane(i)
	})
	return nil
}

// laneError says why the requests of a lane get no replies any more.
func (s *session) laneError(refusal *amqp.Error) error {
	switch {
	case s.conn.ctx.Err() != nil:
		return errClosed()
	case s.amqp.IsClosed() || refusal == nil:
		return errLost(nil)
	}
	return engineError(refusal, "take a request")
}

func (s *session) reopenLane(i int) {
	for attempt := 0; s.ctx.Err() == nil && !s.amqp.IsClosed(); attempt++ {
		if err := s.openLane(s.ctx, i); err == nil {
			return
		}
		pause(s.ctx, backoff(attempt))
	}
}

// openReplies opens the session's own queue of replies, for those that cross zones and for
// refusals. Where the broker takes it away the session ends, and the next has another.
func (s *session) openReplies(ctx context.Context) error {
	channel, err := s.channel(ctx)
	if err != nil {
		return err
	}
	var replies <-chan amqp.Delivery
	err = perform(ctx, channel, func() (err error) {
		replies, err = openQueue(channel, s.replies)
		return err
	})
	if err != nil {
		return engineError(err, "open queue "+s.replies)
	}
	s.conn.tasks.Go(func() {
		for d := range replies {
			s.lanes.deliver(d.CorrelationId, answer{headers: d.Headers, encoding: d.ContentEncoding, body: d.Body})
		}
		_ = s.line.Close()
	})
	return nil
}

// openQueue declares a queue that is exclusive to the connection, binds it to exchangeDirect
// and consumes it without acknowledgements. The queue goes with the channel: a call that was given up leaves none.
func openQueue(ch *amqp.Channel, name string) (<-chan amqp.Delivery, error) {
	if _, err := ch.QueueDeclare(name, false, true, true, false, nil); err != nil {
		return nil, err
	}
	deliveries, err := ch.Consume(name, "", true, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	return deliveries, ch.QueueBind(name, name, exchangeDirect, false, nil)
}
