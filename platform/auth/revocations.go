package auth

import (
	"slices"
	"sync"
	"time"
)

// revocations are those that may still match a token that is alive. One more costs the
// same however many there are: after a busy hour there are very many.
type revocations struct {
	mu       sync.RWMutex
	last     uint64
	ahead    map[uint64]bool // numbers that were given, beyond a gap
	sessions map[string][]Revocation
	users    map[string][]Revocation
	callers  map[string][]Revocation
	called   map[string][]Revocation // by audience
	swept    time.Time
}

// revocationSweep is how often those that are over are looked for.
const revocationSweep = time.Minute

func newRevocations() *revocations {
	return &revocations{
		ahead:    map[uint64]bool{},
		sessions: map[string][]Revocation{}, users: map[string][]Revocation{},
		callers: map[string][]Revocation{}, called: map[string][]Revocation{},
		swept: time.Now(),
	}
}

// Revoke has tokens refused from now on. Those that are known already may come again.
// Where they continue the numbering, LastRevocation moves on.
func (v *Verifier) Revoke(list ...Revocation) {
	if v.revoked.add(list, time.Now()) {
		v.change(func(*state) {}) // cached tokens are judged anew
	}
}

// RevokedUpTo notes that every revocation up to the number was given to Revoke, or is
// over.
func (v *Verifier) RevokedUpTo(number uint64) {
	r := v.revoked
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = number
	r.advance()
}

// LastRevocation returns the number up to which all revocations are known.
func (v *Verifier) LastRevocation() uint64 {
	v.revoked.mu.RLock()
	defer v.revoked.mu.RUnlock()
	return v.revoked.last
}

// Revoked reports whether the session with that public id was ended.
func (v *Verifier) Revoked(session string) bool {
	v.revoked.mu.RLock()
	defer v.revoked.mu.RUnlock()
	return len(v.revoked.sessions[session]) > 0
}

// add reports whether any of the list is new and can match a token.
func (r *revocations) add(list []Revocation, now time.Time) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) > revocationSweep {
		r.sweep(now)
	}
	for _, one := range list {
		if one.Number > r.last {
			r.ahead[one.Number] = true
		}
		index, key := r.indexOf(one)
		if key == "" || one.over(now) || slices.Contains(index[key], one) {
			continue
		}
		index[key] = append(index[key], one)
		news = true
	}
	r.advance()
	return news
}

// advance moves last on as far as the numbering has no gap.
func (r *revocations) advance() {
	for r.ahead[r.last+1] {
		r.last++
		delete(r.ahead, r.last)
	}
	for n := range r.ahead {
		if n <= r.last {
			delete(r.ahead, n)
		}
	}
}

func (r *revocations) sweep(now time.Time) {
	r.swept = now
	for _, index := range []map[string][]Revocation{r.sessions, r.users, r.callers, r.called} {
		for key, all := range index {
			alive := slices.DeleteFunc(all, func(one Revocation) bool { return one.over(now) })
			if index[key] = alive; len(alive) == 0 {
				delete(index, key)
			}
		}
	}
}

func (r *Revocation) over(now time.Time) bool {
	return !r.Expires.IsZero() && now.After(r.Expires.Add(leeway))
}

func (r *revocations) indexOf(one Revocation) (map[string][]Revocation, string) {
	switch {
	case one.Session != "":
		return r.sessions, one.Session
	case one.User != "":
		return r.users, one.User
	case one.Caller != "":
		return r.callers, one.Caller
	default:
		return r.called, one.Audience
	}
}

func (r *revocations) user(u *User) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	match := func(one Revocation) bool { return one.matchesUser(u) }
	return slices.ContainsFunc(r.sessions[u.Session], match) || slices.ContainsFunc(r.users[u.ID], match)
}

func (r *revocations) identity(i *Identity) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	match := func(one Revocation) bool { return one.matchesIdentity(i) }
	return slices.ContainsFunc(r.callers[i.Service], match) || slices.ContainsFunc(r.called[i.Audience], match)
}
