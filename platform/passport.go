package platform

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// firstAudiences are services that every instance calls, or may soon call.
var firstAudiences = []string{"kernel.discovery", "kernel.config", "kernel.login"}

// takePassport finds out how the instance proves who it is. What it does by itself ends
// with the function that it returns.
func (l *life) takePassport(ctx context.Context) (end func(), err error) {
	issuer, err := l.identification(ctx)
	if err != nil {
		return nil, err
	}
	alive, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := newPassport(l.instance, issuer)
	p.alive = alive
	if l.login, _ = issuer.(*login); l.login != nil {
		l.login.run(alive)
		p.misses = l.login.missesKey
	}
	l.passport = p
	l.verifier.Store(issuer.Verifier())
	return func() {
		cancel()
		p.tasks.Wait()
		if l.login != nil {
			l.login.tasks.Wait()
		}
	}, nil
}

// introduce gets the instance's first identity tokens, and has them renewed. It tries
// until they come, kernel.login says no, or ctx ends, which is no error.
func (l *life) introduce(ctx context.Context) error {
	tickets := make([]*ticket, len(firstAudiences))
	for i, service := range firstAudiences {
		tickets[i] = l.passport.ticket(service)
	}
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, complainAfter)
		_, err := l.passport.obtain(limited, tickets)
		cancel()
		if err == nil {
			break
		}
		if refused(err) {
			return fmt.Errorf("identify: %w", err)
		}
		if ctx.Err() == nil {
			l.log.WarnContext(ctx, "kernel.login has not told yet who this is, so that it can call nobody: is it running?", "error", err)
			pause(ctx, firstPause)
		}
	}
	l.passport.tasks.Go(func() {
		l.passport.renew(l.passport.alive, func(err error) {
			l.log.WarnContext(ctx, "identity tokens were not renewed; they go on until they expire", "error", err)
		})
	})
	return nil
}

// authenticate puts into x what proves to t who calls and for whom. What has to be
// waited for takes from the call's budget, not from the attempt's.
func (c *Client) authenticate(ctx context.Context, t *target, x *exchange, a try) (waited bool, err *fault.Error) {
	x.proof, x.token = "", scopeOf(ctx).token
	if x.token == "" && c.token != nil {
		var failed error
		waited = true
		if x.token, failed = c.token(ctx); failed != nil {
			return true, fault.From(failed)
		}
	}
	if c.passport == nil {
		return waited, nil
	}
	ticket := c.ticketOf(t)
	if ticket == nil {
		return waited, nil
	}
	if h := ticket.current.Load(); h != nil && a.start.Before(h.Expires) {
		x.proof = h.Token
		return waited, nil
	}
	return true, ticket.wait(ctx, x, a)
}

// wait puts the token into x once it is there.
func (t *ticket) wait(ctx context.Context, x *exchange, a try) *fault.Error {
	ctx, cancel := context.WithDeadline(ctx, a.deadline)
	defer cancel()
	proof, err := t.token(ctx, a.start)
	x.proof = proof
	return fault.From(err)
}

// ticketOf returns the ticket for a target's service. For a stray one it is nil where
// there is none yet: of made-up services kernel.login shall not hear.
func (c *Client) ticketOf(t *target) *ticket {
	if known := t.ticket.Load(); known != nil {
		return known
	}
	if t.stray {
		return c.passport.known(t.service)
	}
	found := c.passport.ticket(t.service)
	t.ticket.Store(found)
	return found
}

// mend gets another identity token when the called service did not accept the one that
// x carried, or wanted one, and reports whether the call may be made again: nothing was
// handled.
func (c *Client) mend(ctx context.Context, t *target, x *exchange, err *fault.Error, deadline time.Time) bool {
	if c.passport == nil || !mayBeMended(err) || strings.HasPrefix(err.Reason, identityReason) == (x.proof == "") {
		return false
	}
	if ctx.Err() != nil || time.Until(deadline) < minTimeout {
		return false
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return c.passport.ticket(t.service).replace(ctx, x.proof) == nil
}
