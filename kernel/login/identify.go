package login

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// maxAudiences is for how many services one request may ask tokens.
const maxAudiences = 100

// Identify implements loginpb.LoginServer.
func (l *login) Identify(ctx context.Context, r *loginpb.IdentifyRequest) (*loginpb.IdentifyResponse, error) {
	service, instance, err := l.verifier.Assertion(r.GetAssertion(), l.svc.ID())
	if err == nil && !strings.HasPrefix(instance, service+"-") {
		err = fault.New(fault.Unauthorized, "kernel.login.identify.instance", "the instance %.80q is none of %s", instance, service)
	}
	if err == nil {
		err = l.seen.admit(r.GetAssertion())
	}
	if err == nil {
		err = l.checkEnrolment(ctx, service, r.GetAssertion())
	}
	var tokens []*loginpb.IdentityToken
	if err == nil {
		tokens, err = l.identityTokens(ctx, service, instance, r.GetAudiences())
	}
	if err != nil {
		if l.refusals.first("identify/" + service + instance + fault.ReasonOf(err)) {
			e := entry{Action: "identify", Actor: cmp.Or(clip(instance), "-"), Subject: clip(service)}
			return nil, l.audited(ctx, e, err)
		}
		return nil, err
	}
	return &loginpb.IdentifyResponse{Tokens: tokens, Keys: l.keys.set(), Revocations: l.revoked.since(r.GetSince(), maxRun)}, nil
}

// identityTokens issues one token for each audience.
func (r *realm) identityTokens(ctx context.Context, service, instance string, audiences []string) ([]*loginpb.IdentityToken, error) {
	if len(audiences) > maxAudiences {
		return nil, fault.New(fault.BadRequest, "kernel.login.identify.audiences", "identify: %d audiences; ask for at most %d at once", len(audiences), maxAudiences)
	}
	if err := r.catchUp(ctx); err != nil {
		return nil, err
	}
	key, err := r.keys.current()
	if err != nil {
		return nil, err
	}
	tokens := make([]*loginpb.IdentityToken, len(audiences))
	for i, audience := range audiences {
		id, err := r.identity(ctx, service, instance, audience)
		if err != nil {
			return nil, err
		}
		token, err := key.signer.Identity(id)
		if err != nil {
			return nil, err
		}
		tokens[i] = &loginpb.IdentityToken{Audience: audience, Token: token, Expires: timestamppb.New(id.Expires)}
	}
	return tokens, nil
}

// identity says what a service may of an audience. The grants are read after the time of issue is
// known: whoever removes one at the same time revokes what was issued before.
func (r *realm) identity(ctx context.Context, service, instance, audience string) (*auth.Identity, error) {
	if err := checkService("audience", audience); err != nil {
		return nil, err
	}
	issued := time.Now()
	if floor := r.revoked.floor(service, audience); floor.After(issued) {
		issued = floor
	}
	id := &auth.Identity{Service: service, Instance: instance, Audience: audience, Issued: issued, Expires: issued.Add(identityLife)}
	if service == gateway {
		return id, nil
	}
	var err error
	id.Grants, err = r.grants.endpoints(ctx, audience, service)
	return id, err
}

// replays remembers assertions for as long as they are good, so that each is good
// once. They name this instance as their audience: no other needs to know.
type replays struct {
	mu          sync.Mutex
	now, before map[string]bool
	turned      time.Time
}

// assertionLife is more than an assertion can be good for.
const assertionLife = time.Minute + skew

func (s *replays) admit(assertion string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.turned) > assertionLife {
		s.before, s.now, s.turned = s.now, map[string]bool{}, time.Now()
	}
	digest := digestOf(assertion)
	if s.now[digest] || s.before[digest] {
		return fault.New(fault.Unauthorized, "kernel.login.identify.replayed", "identify: this assertion was used before; make a new one for each request")
	}
	s.now[digest] = true
	return nil
}
