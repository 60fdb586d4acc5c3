package platform

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

// identityReason is what reasons of identity tokens that are not accepted begin with,
// so that they are told from those of user tokens. What follows is auth's last word.
const identityReason = "platform.unauthorized.identity."

// prove verifies what the request says of its caller and its user. What does not hold
// is left out, and remembered for a denial: endpoints that are open to anyone are open
// to it too.
func (s *Service) prove(in *scope, from, proof string) {
	v := s.Verifier()
	if in.token != "" {
		user, err := v.User(in.token)
		if err != nil {
			in.badUser, in.token = fault.From(err), ""
		} else {
			in.user, in.session = user, user.Session
		}
	}
	if proof == "" {
		return
	}
	identity, err := v.Identity(proof, s.name)
	switch {
	case err != nil:
		in.badIdentity = identityFault(fault.From(err))
		if in.badIdentity.Reason == identityReason+"unknown_key" {
			s.passport.missesKey()
		}
	case !isFrom(from, identity):
		in.badIdentity = identityFault(fault.New(fault.Unauthorized, identityReason+"from", "the token is not accepted").
			WithDetail("the sender calls itself %.200q, its identity token is of %s", from, identity.Instance))
	default:
		in.identity = identity
		in.caller.Service, in.caller.Instance = identity.Service, identity.Instance
	}
}

// isFrom reports whether from is "<service> <instance>" of i. The instance may carry
// out calls under its own name only.
func isFrom(from string, i *auth.Identity) bool {
	rest, ok := strings.CutPrefix(from, i.Service)
	return ok && len(rest) > 0 && rest[0] == ' ' && rest[1:] == i.Instance
}

// identityFault gives a fault of auth a reason that says that it is of the identity
// token. Before the first keys have come it is the same for both.
func identityFault(err *fault.Error) *fault.Error {
	if err.Reason == auth.ReasonNoKeys || strings.HasPrefix(err.Reason, identityReason) {
		return err
	}
	marked := *err
	marked.Reason = identityReason + err.Reason[strings.LastIndexByte(err.Reason, '.')+1:]
	return &marked
}

// mayBeMended reports whether a fresh identity token may mend what the called service
// said of the one that it got. It has handled nothing then.
func mayBeMended(err *fault.Error) bool {
	return err.Origin == fault.Peer && err.Code == fault.Unauthorized &&
		(err.Reason == reasonAnonymous || strings.HasPrefix(err.Reason, identityReason))
}

// notTheCallers keeps what was said of this service's own identity from being taken by
// its caller for a word on the caller's.
func notTheCallers(err error) error {
	var f *fault.Error
	if err == nil || !errors.As(err, &f) || !mayBeMended(f) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "platform.identity_refused", "a service that is needed for this refused to answer")
}

func isDenial(err *fault.Error) bool {
	return err.Code == fault.Unauthorized || err.Code == fault.Forbidden
}

// forCaller leaves out what a caller must not learn of a denial: which role or grant
// it lacks.
func forCaller(err *fault.Error) *fault.Error {
	if !isDenial(err) || err.Detail == "" {
		return err
	}
	plain := *err
	plain.Detail = ""
	return &plain
}

// denialPause is how often denials are logged at most. The hops have them all.
const denialPause = time.Second

// denialLog logs denials for operators, and not so many that callers could fill a disk.
type denialLog struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (d *denialLog) log(ctx context.Context, l *slog.Logger, err error) {
	d.mu.Lock()
	now := time.Now()
	if now.Sub(d.last) < denialPause {
		d.skipped++
		d.mu.Unlock()
		return
	}
	skipped := d.skipped
	d.last, d.skipped = now, 0
	d.mu.Unlock()
	f := fault.From(err)
	l.LogAttrs(ctx, slog.LevelInfo, "call denied",
		slog.String("reason", f.Reason), slog.String("detail", f.Detail), slog.Int("not_logged_before", skipped))
}
