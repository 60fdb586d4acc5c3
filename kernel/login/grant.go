package login

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// Grant is the right of one service, Caller, to call Endpoint of another, Service. The
// endpoint "*" is all of them.
type Grant struct{ Service, Endpoint, Caller string }

// gateway is never granted anything: everybody in the world speaks through it.
const gateway = "api.gateway"

const anyEndpoint = "*"

var (
	serviceShape  = regexp.MustCompile(`^(api|orchestration|core|kernel)(\.[a-z][a-z0-9]*)+$`)
	endpointShape = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
)

// tiers, from the top down. Calls go down, never up.
var tiers = []string{"api", "orchestration", "core", "kernel"}

func tierOf(service string) int {
	tier, _, _ := strings.Cut(service, ".")
	return slices.Index(tiers, tier)
}

func checkService(what, name string) error {
	if len(name) <= 200 && serviceShape.MatchString(name) {
		return nil
	}
	return fault.New(fault.BadRequest, "kernel.login.service",
		"%s %.60q: a service's name is a tier (api, orchestration, core, kernel) and lower-case words, such as \"core.eta\"", what, name)
}

func (g Grant) check() error {
	if err := checkService("service", g.Service); err != nil {
		return err
	}
	if err := checkService("caller", g.Caller); err != nil {
		return err
	}
	refuse := func(reason, why string) error {
		return fault.New(fault.BadRequest, "kernel.login.grant."+reason, "grant %s %.60q to %s: %s", g.Service, g.Endpoint, g.Caller, why)
	}
	switch {
	case g.Endpoint != anyEndpoint && (len(g.Endpoint) > 100 || !endpointShape.MatchString(g.Endpoint)):
		return refuse("endpoint", "an endpoint is a lower-case word, or \"*\" for all of the service")
	case g.Caller == gateway:
		return refuse("gateway", "the gateway is never granted anything: it speaks for whoever calls it")
	case g.Service == Name && slices.Contains(mastery, g.Endpoint):
		return refuse("mastery", "whoever may call it can become any service or user; only administrators may")
	case tierOf(g.Caller) > tierOf(g.Service):
		return refuse("upward", "calls go down the tiers (api, orchestration, core, kernel), never up")
	}
	return nil
}

// mastery are this service's endpoints that no service is granted.
var mastery = []string{anyEndpoint, "setgrant", "enrol", "authas"}

// storedGrant is the stored form of a grant; its key says what is granted.
type storedGrant struct {
	Author string    `json:"author"`
	At     time.Time `json:"at"`
}

// grantBook keeps grants, which are few, in one partition.
type grantBook struct{ table *store.Table }

const grantsPartition = "grants"

func (g Grant) key() store.Key {
	return store.Key{Partition: grantsPartition, Clustering: g.Service + "/" + g.Caller + "/" + g.Endpoint}
}

func (b grantBook) set(ctx context.Context, g Grant, author string) (*loginpb.Grant, error) {
	s := storedGrant{author, time.Now()}
	_, err := b.table.Put(ctx, g.key(), encode(s))
	return g.message(s), err
}

func (g Grant) message(s storedGrant) *loginpb.Grant {
	return &loginpb.Grant{Service: g.Service, Endpoint: g.Endpoint, Caller: g.Caller, Author: s.Author, At: timestamppb.New(s.At)}
}

// list returns the grants of a called service and of a caller; empty is any.
func (b grantBook) list(ctx context.Context, service, caller string) ([]*loginpb.Grant, error) {
	span := store.Range{Limit: store.MaxLimit}
	if service != "" {
		span.Prefix = service + "/"
		if caller != "" {
			span.Prefix += caller + "/"
		}
	}
	var all []*loginpb.Grant
	for r, err := range b.table.All(ctx, grantsPartition, span) {
		if err != nil {
			return nil, err
		}
		parts := strings.Split(r.Key.Clustering, "/")
		if len(parts) != 3 || caller != "" && parts[1] != caller {
			continue
		}
		s, err := decode[storedGrant](r)
		if err != nil {
			return nil, err
		}
		all = append(all, Grant{Service: parts[0], Caller: parts[1], Endpoint: parts[2]}.message(s))
	}
	return all, nil
}

// endpoints returns what a caller was granted of a service.
func (b grantBook) endpoints(ctx context.Context, service, caller string) ([]string, error) {
	all, err := b.list(ctx, service, caller)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, g := range all {
		names[i] = g.GetEndpoint()
	}
	return names, nil
}

// SetGrant implements loginpb.LoginServer.
func (l *login) SetGrant(ctx context.Context, r *loginpb.SetGrantRequest) (*loginpb.SetGrantResponse, error) {
	g := Grant{Service: r.GetService(), Endpoint: r.GetEndpoint(), Caller: r.GetCaller()}
	made, err := l.setGrant(ctx, g)
	if err := l.audited(ctx, g.entry("grant.set"), err); err != nil {
		return nil, err
	}
	return &loginpb.SetGrantResponse{Grant: made}, nil
}

func (l *login) setGrant(ctx context.Context, g Grant) (*loginpb.Grant, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	made, err := l.grants.set(ctx, g, actor(ctx))
	if err != nil {
		return nil, err
	}
	return made, l.revokeIdentity(ctx, g)
}

// revokeIdentity makes the identity tokens void that a caller has for a service. The next call
// fetches one that says what is granted now: so grants come, and go, at once.
func (r *realm) revokeIdentity(ctx context.Context, g Grant) error {
	return r.revokeIssued(ctx, g.Caller, g.Service)
}

// revokeIssued revokes the identity tokens that any instance has issued until now to a caller, for an audience
// or, if that is empty, for all. Its time is later than those of the tokens that were issued after
// the last revocation.
func (r *realm) revokeIssued(ctx context.Context, caller, audience string) error {
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	before := time.Now().Add(issueSkew).Truncate(time.Microsecond) // as tokens tell the time
	if floor := r.revoked.floor(caller, audience); !before.After(floor) {
		before = floor.Add(time.Microsecond)
	}
	return r.revoke(ctx, revocation{Caller: caller, Audience: audience, Before: before, Expires: before.Add(identityLife + skew)})
}

func (g Grant) entry(action string) entry {
	return entry{Action: action, Subject: clip(g.Caller), Detail: map[string]string{"service": clip(g.Service), "endpoint": clip(g.Endpoint)}}
}

// clip keeps what comes from outside short in records.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:most], "?") + "…"
}

// RemoveGrant implements loginpb.LoginServer.
func (l *login) RemoveGrant(ctx context.Context, r *loginpb.RemoveGrantRequest) (*loginpb.RemoveGrantResponse, error) {
	g := Grant{Service: r.GetService(), Endpoint: r.GetEndpoint(), Caller: r.GetCaller()}
	if err := l.audited(ctx, g.entry("grant.remove"), l.removeGrant(ctx, g)); err != nil {
		return nil, err
	}
	return &loginpb.RemoveGrantResponse{}, nil
}

// removeGrant revokes the tokens that may say so still, also where the grant is gone already: an attempt before may
// have failed half way.
func (l *login) removeGrant(ctx context.Context, g Grant) error {
	if err := g.check(); err != nil {
		return err
	}
	if err := l.grants.table.Delete(ctx, g.key()); err != nil {
		return err
	}
	return l.revokeIdentity(ctx, g)
}

// issueSkew is what the clocks of login instances may differ by, for revoking what
// others issued. It is less than what verifiers allow a token to come from the future, for new
// ones are issued from then on.
const issueSkew = 2 * time.Second

// Grants implements loginpb.LoginServer.
func (l *login) Grants(ctx context.Context, r *loginpb.GrantsRequest) (*loginpb.GrantsResponse, error) {
	all, err := l.grants.list(ctx, r.GetService(), r.GetCaller())
	if err != nil {
		return nil, err
	}
	return &loginpb.GrantsResponse{Grants: all}, nil
}
