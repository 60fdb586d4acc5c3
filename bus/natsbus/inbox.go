package natsbus

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

const inboxShards = 32

// inbox matches replies to the requests that wait for them. One wildcard
// subscription serves the whole connection; the last token of a reply subject is
// the request's sequence number. nats.go has the same with one lock for all.
type inbox struct {
	prefix string // "h2.r.<connection>."
	next   atomic.Uint64
	shards [inboxShards]inboxShard
}

type inboxShard struct {
	mu      sync.Mutex
	waiters map[uint64]*waiter
	_       [40]byte // a cache line each
}

type waiter struct {
	seq    uint64
	answer chan answer // room for one, so that nobody ever blocks on it
}

type answer struct {
	msg *nats.Msg
	err error
}

var waiters = sync.Pool{New: func() any { return &waiter{answer: make(chan answer, 1)} }}

func newInbox(connection string) *inbox {
	in := &inbox{prefix: prefixInbox + connection + "."}
	for i := range in.shards {
		in.shards[i].waiters = map[uint64]*waiter{}
	}
	return in
}

// open starts to wait for one reply, to be sent to the subject returned.
func (in *inbox) open() (*waiter, string) {
	w := waiters.Get().(*waiter)
	w.seq = in.next.Add(1)
	s := &in.shards[w.seq%inboxShards]
	s.mu.Lock()
	s.waiters[w.seq] = w
	s.mu.Unlock()
	var room [64]byte
	return w, string(strconv.AppendUint(append(room[:0], in.prefix...), w.seq, 36))
}

// close ends the wait. answered says whether the answer was taken.
func (in *inbox) close(w *waiter, answered bool) {
	if !answered && in.take(w.seq) == nil {
		<-w.answer // it is being delivered at this moment
	}
	waiters.Put(w)
}

func (in *inbox) take(seq uint64) *waiter {
	s := &in.shards[seq%inboxShards]
	s.mu.Lock()
	w := s.waiters[seq]
	if w != nil {
		delete(s.waiters, seq)
	}
	s.mu.Unlock()
	return w
}

// deliver hands a reply to its waiter, and drops it where nobody waits any more.
func (in *inbox) deliver(msg *nats.Msg) {
	seq, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, in.prefix), 36, 64)
	if err != nil {
		return
	}
	if w := in.take(seq); w != nil {
		w.answer <- answer{msg: msg}
	}
}

// failAll answers every waiter with err.
func (in *inbox) failAll(err error) {
	for i := range in.shards {
		s := &in.shards[i]
		s.mu.Lock()
		all := s.waiters
		s.waiters = map[uint64]*waiter{}
		s.mu.Unlock()
		for _, w := range all {
			w.answer <- answer{err: err}
		}
	}
}
