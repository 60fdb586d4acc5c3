package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Bounds of what is kept of sessions.
const (
	maxHeld       = 32_768           // sessions whose token is kept
	maxEnded      = 8_192            // sessions that kernel.login does not know
	endedFor      = 10 * time.Second // they are not asked for again
	maxAsking     = 64               // exchanges at once, so that guessing cannot flood kernel.login
	exchangeLimit = 2 * time.Second  // for one exchange
	renewAgain    = time.Second      // after a renewal that failed
)

const (
	reasonEnded   = "gateway.session.ended"
	reasonUnknown = "gateway.session.unverified"
)

var errEnded = fault.New(fault.Unauthorized, reasonEnded, "the session is unknown or has ended: log in again")

// sessions gives the token of a session: exchanged at kernel.login once, kept, and
// renewed in use. Whether a token is good is asked of verify each time, which hears
// of ended sessions by itself.
type sessions struct {
	exchange func(context.Context, *loginpb.ExchangeRequest) (*loginpb.ExchangeResponse, error)
	verify   func(token string) (*auth.User, error)

	mu     sync.RWMutex
	held   map[digest]*held
	ended  map[digest]time.Time // until when they are refused unasked
	asking map[digest]*asking
}

// digest stands for a session, so that no secret is kept.
type digest [sha256.Size]byte

// held is the token of a session.
type held struct {
	token string
	renew atomic.Int64 // Unix nanoseconds from when to ask for the next one; 0: never
}

// asking is one exchange for which several requests may wait.
type asking struct {
	done chan struct{}
	held *held
	err  error
}

// maxSession is beyond every session id that there is.
const maxSession = 512

// open returns the token of a session and whose it is. It fails with Unauthorized
// for a session that is none, and with Unavailable where that cannot be known now.
func (s *sessions) open(ctx context.Context, session string) (string, *auth.User, error) {
	if session == "" || len(session) > maxSession || isToken(session) {
		return "", nil, errEnded
	}
	d := digest(sha256.Sum256([]byte(session)))
	h, refused := s.find(d)
	if h != nil {
		switch user, err := s.verify(h.token); {
		case err == nil && h.due(time.Now()):
			return s.renewed(ctx, d, session, h, user)
		case err == nil:
			return h.token, user, nil
		case !fault.Is(err, fault.Unauthorized):
			return "", nil, unverified(err)
		}
		s.drop(d, h)
	}
	if refused {
		return "", nil, errEnded
	}
	return s.ask(ctx, d, session)
}

func (s *sessions) find(d digest) (h *held, refused bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.held[d], time.Now().Before(s.ended[d])
}

// due reports whether the caller is the one to ask for the next token now.
func (h *held) due(now time.Time) bool {
	renew := h.renew.Load()
	return renew != 0 && now.UnixNano() >= renew && h.renew.CompareAndSwap(renew, now.Add(renewAgain).UnixNano())
}

// renewed asks for the next token. Where there is none to be had now, the present
// one does.
func (s *sessions) renewed(ctx context.Context, d digest, session string, h *held, user *auth.User) (string, *auth.User, error) {
	token, next, err := s.ask(ctx, d, session)
	switch {
	case err == nil:
		return token, next, nil
	case fault.Is(err, fault.Unauthorized):
		s.drop(d, h)
		return "", nil, err
	}
	return h.token, user, nil
}

// ask exchanges a session, together with whoever asks for the same one meanwhile.
func (s *sessions) ask(ctx context.Context, d digest, session string) (string, *auth.User, error) {
	s.mu.Lock()
	a := s.asking[d]
	mine := a == nil
	if mine {
		if len(s.asking) >= maxAsking {
			s.mu.Unlock()
			return "", nil, fault.New(fault.Unavailable, reasonShed, "the gateway is looking up %d sessions, as many as it may; try again soon", maxAsking)
		}
		a = &asking{done: make(chan struct{})}
		s.asking[d] = a
	}
	s.mu.Unlock()
	if mine {
		s.run(context.WithoutCancel(ctx), d, session, a)
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		return "", nil, fault.From(ctx.Err())
	}
	if a.err != nil {
		return "", nil, a.err
	}
	return s.judge(a.held.token)
}

// judge verifies a token that has just come.
func (s *sessions) judge(token string) (string, *auth.User, error) {
	user, err := s.verify(token)
	switch {
	case err == nil:
		return token, user, nil
	case fault.ReasonOf(err) == auth.ReasonRevoked || fault.ReasonOf(err) == auth.ReasonExpired:
		return "", nil, errEnded
	}
	return "", nil, unverified(err)
}

// run asks kernel.login, and keeps what it says, also when the client that asked first has gone.
func (s *sessions) run(ctx context.Context, d digest, session string, a *asking) {
	a.err = fault.New(fault.Internal, "gateway.panic", "something went wrong on our side")
	defer func() {
		s.settle(d, a)
		close(a.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	response, err := s.exchange(ctx, &loginpb.ExchangeRequest{SessionId: session})
	if a.err = exchangeError(err); a.err != nil {
		return
	}
	a.held = &held{token: response.GetToken()}
	if after := response.GetRenewAfter(); after != nil {
		a.held.renew.Store(after.AsTime().UnixNano())
	}
}

// exchangeError tells a session that has ended from a kernel.login that is away.
func exchangeError(err error) error {
	switch {
	case err == nil:
		return nil
	case fault.Is(err, fault.Unauthorized), fault.Is(err, fault.BadRequest), fault.Is(err, fault.NotFound):
		return errEnded
	}
	return unverified(err)
}

func unverified(err error) error {
	f := fault.From(err)
	return fault.Wrap(err, fault.Unavailable, reasonUnknown, "the session cannot be looked up now; try again soon").
		WithDetail("%s %s: %s", f.Code, f.Reason, f.Message)
}

// settle keeps the outcome of an exchange. Where there is no room, any others go.
func (s *sessions) settle(d digest, a *asking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asking, d)
	switch {
	case a.err == nil:
		makeRoom(s.held, maxHeld)
		s.held[d] = a.held
	case errors.Is(a.err, errEnded):
		now := time.Now()
		maps.DeleteFunc(s.ended, func(_ digest, until time.Time) bool { return len(s.ended) >= maxEnded && now.After(until) })
		makeRoom(s.ended, maxEnded)
		s.ended[d] = now.Add(endedFor)
	}
}

func makeRoom[V any](m map[digest]V, limit int) {
	for d := range m {
		if len(m) < limit {
			return
		}
		delete(m, d)
	}
}

// drop forgets a token, unless there is another by now.
func (s *sessions) drop(d digest, h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[d] == h {
		delete(s.held, d)
	}
}

func newSessions(exchange func(context.Context, *loginpb.ExchangeRequest) (*loginpb.ExchangeResponse, error), verify func(string) (*auth.User, error)) *sessions {
	return &sessions{
		exchange: exchange, verify: verify,
		held: map[digest]*held{}, ended: map[digest]time.Time{}, asking: map[digest]*asking{},
	}
}
