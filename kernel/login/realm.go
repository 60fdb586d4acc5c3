package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/store"
)

// realm is what login keeps of one environment, and what it does with it: all that
// needs no bus. Several realms over one store agree.
type realm struct {
	env      string
	root     *auth.Root
	keys     *keyring
	users    userBook
	sessions sessionBook
	failures failureBook
	grants   grantBook
	services *store.Table
	revoked  *revocationLog
	audit    *auditLog
	devices  devices
	hasher   *hasher
	settings *settings
	refusals *refusals
	log      *slog.Logger
	revised  func(news []revocation) // called when revocations became known; may be nil
}

func newRealm(st *store.Store, c Config, log *slog.Logger) (*realm, error) {
	c = c.withDefaults()
	root, err := auth.NewRoot(c.Environment, c.Key)
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(st.Table("login_keys"), c.Environment, c.Key, root)
	if err != nil {
		return nil, err
	}
	return &realm{
		env: c.Environment, root: root, keys: keys, log: log,
		users:    userBook{st.Table("login_users"), st.Table("login_identifiers")},
		sessions: sessionBook{st.Table("login_sessions"), st.Table("login_pointers")},
		failures: failureBook{st.Table("login_failures")},
		grants:   grantBook{st.Table("login_grants")},
		services: st.Table("login_services"),
		revoked:  &revocationLog{table: st.Table("login_revocations")},
		audit:    &auditLog{table: st.Table("login_audit")},
		refusals: &refusals{},
		devices:  devices{derive(c.Key, "known devices")},
		hasher:   newHasher(c.Hash),
		settings: &settings{log: log, lastGood: map[string]Application{}, problems: map[string]string{}},
	}, nil
}

// opened is a session that was just opened or renewed, with what only its holder gets.
type opened struct {
	session
	secret string
	token  string
}

// open opens a session for a user, in place of the one that is there. An actor is the
// administrator that acts as the user.
func (r *realm) open(ctx context.Context, u user, device, source, actor string) (opened, error) {
	key, err := r.keys.current()
	if err != nil {
		return opened{}, err
	}
	s := r.newSession(u, device, source, actor)
	s.Token.Key = key.ID
	o := opened{session: s, secret: newSecret()}
	o.Digest, _ = secretDigest(o.secret)
	if o.token, err = key.signer.User(o.user()); err != nil {
		return opened{}, err
	}
	if err := r.sessions.point(ctx, o.session); err != nil {
		return opened{}, err
	}
	if err := r.makeRoom(ctx, o.session); err != nil {
		return opened{}, err
	}
	if err := r.replace(ctx, o.session); err != nil {
		return opened{}, err
	}
	return o, r.confirm(ctx, u, o.session)
}

// newSession decides the lifetimes of a session. That of an administrator, or of one who acts as somebody, ends with its
// first token.
func (r *realm) newSession(u user, device, source, actor string) session {
	a := r.settings.application(u.Application)
	now := time.Now().Truncate(time.Second).UTC() // as tokens tell the time
	s := session{
		ID: newPublicID(), Application: u.Application, User: u.ID, Device: device, Source: source, Actor: actor,
		Created: now, Final: actor != "" || isAdmin(u.Roles),
	}
	life := a.Token
	if actor != "" {
		life = min(life, maxAuthAs)
	}
	s.Ends = now.Add(a.Session)
	if s.Final {
		s.Ends = now.Add(life)
	}
	s.grantToken(u.Roles, now, life, a.Idle)
	return s
}

// grantToken sets what the next token says, within what is left of the session.
func (s *session) grantToken(roles []string, now time.Time, life, idle time.Duration) {
	within := func(t time.Time) time.Time {
		if t.After(s.Ends) {
			return s.Ends
		}
		return t
	}
	s.Token = claims{Roles: roles, Issued: now, Expires: within(now.Add(life))}
	s.Expires = within(now.Add(max(life, idle)))
}

// replace puts a session into its place. The one that was there is revoked before, so that it cannot outlive it whatever
// fails in between; and since the place is taken by compare-and-set, whoever is second ends the first one.
func (r *realm) replace(ctx context.Context, s session) error {
	return untilSettled("open a session", func() error {
		old, revision, found, err := get[session](ctx, r.sessions.sessions, s.place().key())
		if err != nil {
			return err
		}
		if found && old.ID == s.ID { // an attempt that seemed to fail was applied
			return nil
		}
		if found && old.alive() {
			if err := r.revokeSession(ctx, old); err != nil {
				return err
			}
		}
		if err := set(ctx, r.sessions.sessions, s.place().key(), s, revision, ttl(s.Expires)); err != nil {
			return err
		}
		if found {
			return r.sessions.unpoint(ctx, old)
		}
		return nil
	})
}

// makeRoom ends the user's oldest sessions where there are too many.
func (r *realm) makeRoom(ctx context.Context, s session) error {
	all, err := r.sessions.of(ctx, s.Application, s.User)
	if err != nil {
		return err
	}
	for len(all) >= maxOpen {
		if all[0].place() != s.place() {
			if err := r.end(ctx, all[0]); err != nil {
				return err
			}
		}
		all = all[1:]
	}
	return nil
}

// confirm ends a session again whose user lost rights while it was opened: whoever took them away may have listed the
// sessions before this one was there.
func (r *realm) confirm(ctx context.Context, was user, s session) error {
	u, _, err := r.users.byID(ctx, was.Application, was.ID)
	if err == nil && !u.Disabled && u.Hash == was.Hash && !loses(was.Roles, u.Roles) {
		return nil
	}
	if err != nil && !errors.Is(err, errNoUser) {
		return err
	}
	if err := r.end(ctx, s); err != nil {
		return err
	}
	return fault.New(fault.Unauthorized, "kernel.login.changed", "the user was changed while logging in; log in again")
}

// revokeSession makes all tokens of a session void, whenever they were or will be issued.
func (r *realm) revokeSession(ctx context.Context, s session) error {
	until := time.Now().Add(maxToken + skew)
	return r.revoke(ctx, revocation{Session: s.ID, Before: until, Expires: until})
}

func (r *realm) revoke(ctx context.Context, v revocation) error {
	if _, err := r.revoked.append(ctx, v); err != nil {
		return err
	}
	return r.catchUp(ctx)
}

// catchUp takes over what this or another instance revoked.
func (r *realm) catchUp(ctx context.Context) error {
	news, err := r.revoked.catchUp(ctx)
	if err == nil && len(news) > 0 && r.revised != nil {
		r.revised(news)
	}
	return err
}

// end revokes a session and removes it.
func (r *realm) end(ctx context.Context, s session) error {
	if err := r.revokeSession(ctx, s); err != nil {
		return err
	}
	err := untilSettled("end a session", func() error {
		now, revision, found, err := get[session](ctx, r.sessions.sessions, s.place().key())
		if err != nil || !found || now.ID != s.ID {
			return err
		}
		return r.sessions.sessions.CompareAndDelete(ctx, s.place().key(), revision)
	})
	if err != nil {
		return err
	}
	return r.sessions.unpoint(ctx, s)
}

// endAll ends the sessions of a user, but one if it is named, and returns how many they were.
func (r *realm) endAll(ctx context.Context, application, userID, but string) (uint32, error) {
	return r.endThose(ctx, application, userID, func(s session) bool { return s.ID != but })
}

// endThose ends the sessions of a user for which which is true, and returns how many.
func (r *realm) endThose(ctx context.Context, application, userID string, which func(session) bool) (uint32, error) {
	all, err := r.sessions.of(ctx, application, userID)
	if err != nil {
		return 0, err
	}
	var ended uint32
	for _, s := range all {
		if !which(s) {
			continue
		}
		if err := r.end(ctx, s); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// exchange returns the session of a secret with its token: the same one to
// everybody who asks, until it is time for the next.
func (r *realm) exchange(ctx context.Context, secret string) (o opened, err error) {
	err = untilSettled("renew a session", func() error {
		s, revision, err := r.sessions.bySecret(ctx, secret)
		if err != nil {
			return err
		}
		signer, kept := r.keys.signer(s.Token.Key)
		if after := s.renewAfter(); !kept || !after.IsZero() && !time.Now().Before(after) {
			if signer, err = r.renew(ctx, &s, revision); err != nil {
				return err
			}
		}
		o = opened{session: s, secret: secret}
		o.token, err = signer.User(s.user())
		return err
	})
	return o, err
}

// renew gives a session its next token.
func (r *realm) renew(ctx context.Context, s *session, revision uint64) (*auth.Signer, error) {
	u, _, err := r.users.byID(ctx, s.Application, s.User)
	if errors.Is(err, errNoUser) || err == nil && u.Disabled {
		return nil, errNoSession
	}
	if err != nil {
		return nil, err
	}
	key, err := r.keys.current()
	if err != nil {
		return nil, err
	}
	a := r.settings.application(s.Application)
	now := time.Now().Truncate(time.Second).UTC()
	s.Final = s.Final || isAdmin(u.Roles)
	s.Renewed = now
	if s.Final && s.Token.Expires.Before(s.Ends) {
		s.Ends = s.Token.Expires // an administrator by now: no more than was promised before
	}
	if !now.Before(s.Ends) {
		return nil, errNoSession
	}
	s.grantToken(u.Roles, now, a.Token, a.Idle)
	s.Token.Key = key.ID
	return key.signer, set(ctx, r.sessions.sessions, s.place().key(), *s, revision, ttl(s.Expires))
}
