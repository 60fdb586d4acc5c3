// Package memo remembers answers of other services that change seldom, such as a
// city's details: one per key, for a while. When asking again fails, the
// remembered answer serves on for a limited time, so that a core service which is
// away does not take its callers with it. Services import it.
//
// A definite answer of the peer is believed: NotFound, Forbidden and the like
// remove what was remembered. Only Timeout, NoRoute, Unavailable, CircuitOpen,
// Throttled, BadResponse and Internal are bridged.
package memo

import (
	"context"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// Fetch asks for the value of a key.
type Fetch[K comparable, V any] func(ctx context.Context, key K) (V, error)

// Config bounds how long values are remembered.
type Config struct {
	Fresh time.Duration // a value is not asked for again before; default 1 minute
	Stale time.Duration // from then on a value bridges failures for this long; default 1 hour
	Retry time.Duration // between attempts while failures are bridged; default 1 second
}

// Memo remembers values. It holds one per key that exists, so callers must not
// use it for keys that are unbounded. All methods may be called concurrently.
type Memo[K comparable, V any] struct {
	fetch  Fetch[K, V]
	config Config

	mu    sync.Mutex
	slots map[K]*slot[V]
}

// slot is the place of one key.
type slot[V any] struct {
	fetching chan struct{} // holds a token while somebody asks
	waiting  int           // callers inside Get; guarded by Memo.mu

	// Guarded by Memo.mu.
	value   V
	fetched time.Time // zero: nothing remembered
	next    time.Time // not to be asked again before
}

// New returns an empty memo. Zero fields of c take their defaults.
func New[K comparable, V any](c Config, fetch Fetch[K, V]) *Memo[K, V] {
	if c.Fresh == 0 {
		c.Fresh = time.Minute
	}
	if c.Stale == 0 {
		c.Stale = time.Hour
	}
	if c.Retry == 0 {
		c.Retry = time.Second
	}
	return &Memo[K, V]{fetch: fetch, config: c, slots: map[K]*slot[V]{}}
}

// Get returns the value of key. One caller per key asks at a time; meanwhile the
// others get the remembered value, or wait when there is none.
func (m *Memo[K, V]) Get(ctx context.Context, key K) (V, error) {
	s, value, state := m.enter(key)
	defer m.leave(key, s)
	if state == fresh {
		return value, nil
	}
	if state == stale {
		select {
		case s.fetching <- struct{}{}:
		default:
			return value, nil
		}
	} else {
		select {
		case s.fetching <- struct{}{}:
		case <-ctx.Done():
			return value, ctx.Err()
		}
	}
	defer func() { <-s.fetching }()
	if value, state := m.look(s); state == fresh { // somebody asked while this caller waited
		return value, nil
	}
	value, err := m.fetch(ctx, key)
	return m.settle(s, value, err)
}

type state int

const (
	missing state = iota // nothing usable is remembered
	stale                // usable only while asking fails
	fresh
)

func (m *Memo[K, V]) enter(key K) (*slot[V], V, state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.slots[key]
	if s == nil {
		s = &slot[V]{fetching: make(chan struct{}, 1)}
		m.slots[key] = s
	}
	s.waiting++
	value, state := m.lookLocked(s)
	return s, value, state
}

// leave forgets the slots of keys that turned out not to exist.
func (m *Memo[K, V]) leave(key K, s *slot[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.waiting--
	if s.waiting == 0 && s.fetched.IsZero() {
		delete(m.slots, key)
	}
}

func (m *Memo[K, V]) look(s *slot[V]) (V, state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookLocked(s)
}

func (m *Memo[K, V]) lookLocked(s *slot[V]) (V, state) {
	now := time.Now()
	switch {
	case s.fetched.IsZero() || now.Sub(s.fetched) >= m.config.Fresh+m.config.Stale:
		return s.value, missing
	case now.Before(s.next):
		return s.value, fresh
	}
	return s.value, stale
}

// settle records how asking went and decides what the caller gets.
func (m *Memo[K, V]) settle(s *slot[V], value V, err error) (V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if err == nil {
		s.value, s.fetched, s.next = value, now, now.Add(m.config.Fresh)
		return value, nil
	}
	if !bridged(err) {
		s.fetched = time.Time{}
		return value, err
	}
	if remembered, state := m.lookLocked(s); state != missing {
		s.next = now.Add(m.config.Retry)
		return remembered, nil
	}
	return value, err
}

// bridged reports whether err says nothing about the value.
func bridged(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Timeout, fault.NoRoute, fault.Unavailable, fault.CircuitOpen,
		fault.Throttled, fault.BadResponse, fault.Internal:
		return true
	default:
		return false
	}
}
