package auth

import (
	"slices"
	"time"
)

// revocations are those that may still match a token that is alive. It is replaced
// and never changed.
type revocations struct {
	all      []Revocation
	last     uint64
	sessions map[string][]Revocation
	users    map[string][]Revocation
	callers  map[string][]Revocation
	called   map[string][]Revocation // by audience
}

// Revoke has tokens refused from now on. Those that are known already may come again.
// Where they continue the numbering, LastRevocation moves on.
func (v *Verifier) Revoke(list ...Revocation) {
	known := v.state.Load().revoked
	list = slices.DeleteFunc(slices.Clone(list), func(r Revocation) bool { return slices.Contains(known.all, r) })
	if len(list) == 0 {
		return
	}
	v.change(func(s *state) { s.revoked = s.revoked.with(list, time.Now()) })
}

// RevokedUpTo notes that every revocation up to the number was given to Revoke, or is
// over.
func (v *Verifier) RevokedUpTo(number uint64) {
	if v.LastRevocation() != number {
		v.change(func(s *state) { s.revoked.last = number })
	}
}

// LastRevocation returns the number up to which all revocations are known.
func (v *Verifier) LastRevocation() uint64 { return v.state.Load().revoked.last }

// Revoked reports whether the session with that public id was ended.
func (v *Verifier) Revoked(session string) bool {
	return len(v.state.Load().revoked.sessions[session]) > 0
}

// with returns the revocations that are alive at now, and more.
func (r revocations) with(more []Revocation, now time.Time) revocations {
	next := revocations{
		last:     r.last,
		sessions: map[string][]Revocation{}, users: map[string][]Revocation{},
		callers: map[string][]Revocation{}, called: map[string][]Revocation{},
	}
	for _, old := range r.all {
		next.add(old, now)
	}
	for _, m := range more {
		next.add(m, now)
	}
	next.advance(more)
	return next
}

// advance moves last on as far as the numbering has no gap.
func (r *revocations) advance(more []Revocation) {
	numbers := make([]uint64, 0, len(r.all)+len(more))
	for _, one := range slices.Concat(r.all, more) {
		numbers = append(numbers, one.Number)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if n == r.last+1 {
			r.last = n
		}
	}
}

func (r *revocations) add(one Revocation, now time.Time) {
	if !one.Expires.IsZero() && now.After(one.Expires.Add(leeway)) {
		return
	}
	index, key := r.indexOf(one)
	if key == "" {
		return
	}
	r.all = append(r.all, one)
	index[key] = append(index[key], one)
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
	match := func(one Revocation) bool { return one.matchesUser(u) }
	return slices.ContainsFunc(r.sessions[u.Session], match) || slices.ContainsFunc(r.users[u.ID], match)
}

func (r *revocations) identity(i *Identity) bool {
	match := func(one Revocation) bool { return one.matchesIdentity(i) }
	return slices.ContainsFunc(r.callers[i.Service], match) || slices.ContainsFunc(r.called[i.Audience], match)
}
