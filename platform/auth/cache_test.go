package auth

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func fill(c *cache[User], n, size int, expires time.Time) {
	for i := range n {
		token := fmt.Sprintf("%d-%d-%s", expires.Unix(), i, strings.Repeat("x", size))
		c.put(&entry[User]{token: token, value: new(User), expires: expires}, &state{number: 1})
	}
}

func (c *cache[T]) size() (entries, bytes int) {
	for i := range c.shards {
		entries += len(c.shards[i].entries)
		bytes += c.shards[i].bytes
	}
	return entries, bytes
}

func TestTheCacheIsBounded(t *testing.T) {
	for _, size := range []int{10, 8000} {
		var c cache[User]
		c.init()
		fill(&c, 2*maxEntries, size, time.Now().Add(time.Hour))
		entries, bytes := c.size()
		if entries > maxEntries || bytes > maxBytes || entries < 1000 {
			t.Errorf("with tokens of %d bytes: %d entries of %d bytes are kept, want at most %d and %d, and not much less", size, entries, bytes, maxEntries, maxBytes)
		}
	}
}

func TestTheCacheLetsTheExpiredGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cache[User]
		c.init()
		fill(&c, 2*maxEntries, 10, time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		fill(&c, maxEntries/2, 10, time.Now().Add(time.Hour))
		kept := 0
		for i := range c.shards {
			for _, e := range c.shards[i].entries {
				if e.expires.After(time.Now()) {
					kept++
				}
			}
		}
		if kept != maxEntries/2 {
			t.Errorf("%d of %d good tokens are kept, want all", kept, maxEntries/2)
		}
	})
}

func TestACachedLookUpAllocatesNothing(t *testing.T) {
	var c cache[User]
	c.init()
	fill(&c, 100, 400, time.Now().Add(time.Hour))
	var token string
	for i := range c.shards {
		for k := range c.shards[i].entries {
			token = k
		}
	}
	st := &state{number: 1}
	n := testing.AllocsPerRun(100, func() {
		if _, err := checkEntry(&c, c.get(token), st, nil); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("a look-up allocates %v times, want none", n)
	}
}
