package auth

import (
	"crypto/ed25519"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of each cache. Refused tokens are not kept, so that they push out none.
const (
	cacheShards = 16
	maxEntries  = 32_768
	maxBytes    = 16 << 20 // of token texts
	sweepPause  = time.Second
)

// cache keeps verified tokens by their text. What is in it was good once; checkEntry
// tells whether it still is.
type cache[T any] struct {
	seed   maphash.Seed
	shards [cacheShards]shard[T]
}

type shard[T any] struct {
	mu      sync.RWMutex
	entries map[string]*entry[T]
	bytes   int
	swept   time.Time // of the expired
}

type entry[T any] struct {
	token   string
	value   *T
	kid     string
	key     ed25519.PublicKey
	expires time.Time
	checked atomic.Uint64 // number of the last state by which the token was good
}

func (c *cache[T]) init() {
	c.seed = maphash.MakeSeed()
	for i := range c.shards {
		c.shards[i].entries = make(map[string]*entry[T])
	}
}

func (c *cache[T]) shard(token string) *shard[T] {
	return &c.shards[maphash.String(c.seed, token)%cacheShards]
}

func (c *cache[T]) get(token string) *entry[T] {
	s := c.shard(token)
	s.mu.RLock()
	e := s.entries[token]
	s.mu.RUnlock()
	return e
}

// put keeps an entry that is good by st. Where there is no room others go, the
// expired and then any.
func (c *cache[T]) put(e *entry[T], st *state) {
	e.checked.Store(st.number)
	s := c.shard(e.token)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.full(len(e.token)) && now.Sub(s.swept) > sweepPause {
		s.swept = now
		for _, old := range s.entries {
			if now.After(old.expires) {
				s.remove(old)
			}
		}
	}
	for _, old := range s.entries {
		if !s.full(len(e.token)) {
			break
		}
		s.remove(old)
	}
	if s.entries[e.token] == nil {
		s.bytes += len(e.token)
	}
	s.entries[e.token] = e
}

func (s *shard[T]) full(more int) bool {
	return len(s.entries) >= maxEntries/cacheShards || s.bytes+more > maxBytes/cacheShards
}

func (s *shard[T]) remove(e *entry[T]) {
	if s.entries[e.token] == e {
		delete(s.entries, e.token)
		s.bytes -= len(e.token)
	}
}

func (c *cache[T]) drop(e *entry[T]) {
	s := c.shard(e.token)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(e)
}

// checkEntry judges a verified token by the clock, and by st where st is new to it.
func checkEntry[T any](c *cache[T], e *entry[T], st *state, revoked func(*T) bool) (*T, error) {
	if time.Now().After(e.expires.Add(leeway)) {
		c.drop(e)
		return nil, refuse(ReasonExpired, "the token expired at %s", e.expires.UTC().Format(time.RFC3339))
	}
	if e.checked.Load() == st.number {
		return e.value, nil
	}
	if !e.key.Equal(st.keys[e.kid]) {
		c.drop(e)
		return nil, refuse(ReasonUnknownKey, "the key %.40q is no longer one of this environment", e.kid)
	}
	if revoked(e.value) {
		c.drop(e)
		return nil, refuse(ReasonRevoked, "the token was revoked")
	}
	e.checked.Store(st.number)
	return e.value, nil
}
