package login

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// attempt is one try to prove to be a user by a password.
type attempt struct {
	application, identifier, password string
	knownDevice                       string
	source                            string
}

// proven is whom an attempt proved, and with which device.
type proven struct {
	user
	device string // id of the known device that was shown, or ""
}

var errWrong = fault.New(fault.Unauthorized, "kernel.login.wrong", "the name or the password is wrong")

// prove checks a password, within the limits of failures. It tells a wrong password
// from an unknown user neither in what it answers nor in the time it takes.
func (r *realm) prove(ctx context.Context, a attempt) (proven, error) {
	u, subject, err := r.candidate(ctx, a)
	if err != nil {
		return proven{}, err
	}
	device, known := r.devices.recognise(u.ID, a.knownDevice)
	source, sourced := sourceKey(a.source)
	sourced = sourced && !known
	if sourced {
		if err := r.failures.check(ctx, source); err != nil {
			return proven{}, err
		}
	}
	counter := strangersKey(subject)
	if known {
		counter = deviceKey(subject, device)
	}
	undo, err := r.failures.reserve(ctx, counter, r.settings.application(a.application).Attempts)
	if err != nil {
		return proven{}, err
	}
	right, stale, err := r.hasher.verify(ctx, u.Hash, a.password)
	if err == nil && !right {
		err = errWrong
		if sourced {
			err = errors.Join(err, r.failures.failed(ctx, source, freeBySource))
		}
		return proven{}, err
	}
	if undone := undo(context.WithoutCancel(ctx)); undone != nil || err != nil {
		return proven{}, errors.Join(err, undone)
	}
	if stale {
		r.rehash(ctx, &u, a.password)
	}
	return proven{u, device}, nil
}

// candidate returns the user that an attempt is for, a zero one where there is
// none, and under what its failures are counted.
func (r *realm) candidate(ctx context.Context, a attempt) (user, string, error) {
	if err := checkApplication(a.application); err != nil {
		return user{}, "", err
	}
	identifier, err := normaliseIdentifier(a.identifier)
	if err != nil {
		return user{}, "", err
	}
	if err := errors.Join(checkText("password", a.password, maxPassword), checkText("source", a.source, maxSource)); err != nil {
		return user{}, "", err
	}
	u, err := r.users.byIdentifier(ctx, a.application, identifier)
	switch {
	case errors.Is(err, errNoUser):
		return user{}, "unknown/" + digestOf(a.application+"/"+identifier), nil
	case err != nil:
		return user{}, "", err
	}
	return u, u.ID, nil
}

// rehash stores a password that is known to be right with today's costs. Where that fails,
// the next login does it.
func (r *realm) rehash(ctx context.Context, u *user, password string) {
	made, err := r.hasher.hash(ctx, password)
	if err == nil {
		var after user
		_, after, err = r.users.change(ctx, u.Application, u.ID, func(now *user) error {
			if now.Hash != u.Hash {
				return errUnchanged
			}
			now.Hash = made
			return nil
		})
		if err == nil {
			*u = after
		}
	}
	if err != nil {
		r.log.WarnContext(ctx, "a password could not be hashed anew", "user", u.ID, "error", err)
	}
}

// admitted tells why somebody whose password is right may not log in all the same.
func (r *realm) admitted(u user) error {
	switch {
	case u.Disabled:
		return fault.New(fault.Forbidden, "kernel.login.disabled", "the user is disabled")
	case r.settings.application(u.Application).expired(u):
		return fault.New(fault.Forbidden, "kernel.login.password.expired", "the password is too old: change it, then log in")
	}
	return nil
}

// authenticate proves a user and opens a session.
func (r *realm) authenticate(ctx context.Context, a attempt, device string) (proven, opened, error) {
	p, err := r.prove(ctx, a)
	if err != nil {
		return p, opened{}, err
	}
	if err := r.admitted(p.user); err != nil {
		return p, opened{}, err
	}
	o, err := r.open(ctx, p.user, device, a.source, "")
	return p, o, err
}

// Authenticate implements loginpb.LoginServer.
func (l *login) Authenticate(ctx context.Context, r *loginpb.AuthenticateRequest) (*loginpb.AuthenticateResponse, error) {
	device, err := deviceType(r.GetDeviceType())
	if err != nil {
		return nil, err
	}
	a := attempt{r.GetApplication(), r.GetIdentifier(), r.GetPassword(), r.GetKnownDevice(), sourceOf(ctx, r.GetSource())}
	p, o, err := l.authenticate(ctx, a, device)
	if err := l.auditAttempt(ctx, "authenticate", a, p, o.ID, err); err != nil {
		return nil, err
	}
	return &loginpb.AuthenticateResponse{
		SessionId: o.secret, Token: o.token, Expires: timestamppb.New(o.Token.Expires),
		KnownDevice: l.devices.issue(p.ID, p.device), User: p.message(),
	}, nil
}

// auditAttempt records an attempt. Of those refused unseen only the first one a
// minute is recorded: the log must not grow with every message of an attacker.
func (r *realm) auditAttempt(ctx context.Context, action string, a attempt, p proven, session string, done error) error {
	if errors.Is(done, errWrong) {
		done = errWrong // what could not be counted is in the log
	}
	if unseen := fault.Is(done, fault.BadRequest) || fault.Is(done, fault.Throttled); unseen && !r.refusals.first(a.application+"/"+a.identifier+"/"+a.source) {
		return done
	}
	e := entry{Action: action, Actor: cmp.Or(p.ID, "-"), Subject: p.ID, Source: clip(a.source),
		Detail: map[string]string{"application": clip(a.application), "identifier": clip(a.identifier)}}
	if session != "" {
		e.Detail["session"] = session
	}
	if p.device != "" {
		e.Detail["device"] = "known"
	}
	return r.audited(ctx, e, done)
}

// Exchange implements loginpb.LoginServer.
func (l *login) Exchange(ctx context.Context, r *loginpb.ExchangeRequest) (*loginpb.ExchangeResponse, error) {
	o, err := l.exchange(ctx, r.GetSessionId())
	if err != nil {
		return nil, err
	}
	response := &loginpb.ExchangeResponse{Token: o.token, Expires: timestamppb.New(o.Token.Expires)}
	if after := o.renewAfter(); !after.IsZero() {
		response.RenewAfter = timestamppb.New(after)
	}
	return response, nil
}

// ChangePassword implements loginpb.LoginServer.
func (l *login) ChangePassword(ctx context.Context, r *loginpb.ChangePasswordRequest) (*loginpb.ChangePasswordResponse, error) {
	a := attempt{r.GetApplication(), r.GetIdentifier(), r.GetOldPassword(), r.GetKnownDevice(), sourceOf(ctx, r.GetSource())}
	p, err := l.prove(ctx, a)
	if err == nil {
		err = l.changePassword(ctx, p.user, r.GetNewPassword())
	}
	if err := l.auditAttempt(ctx, "password.change", a, p, "", err); err != nil {
		return nil, err
	}
	return &loginpb.ChangePasswordResponse{}, nil
}

// changePassword ends the sessions of the user but the one that asks.
func (r *realm) changePassword(ctx context.Context, u user, password string) error {
	if u.Disabled {
		return r.admitted(u)
	}
	change, err := r.newPassword(ctx, u, password)
	if err != nil {
		return err
	}
	if _, _, err := r.users.change(ctx, u.Application, u.ID, change); err != nil {
		return err
	}
	_, err = r.endAll(ctx, u.Application, u.ID, ownSession(ctx, u.ID))
	return err
}

// newPassword returns the change that gives a user, who was just read, a new password.
func (r *realm) newPassword(ctx context.Context, u user, password string) (func(*user) error, error) {
	fresh := u
	if err := r.setPassword(ctx, &fresh, password); err != nil {
		return nil, err
	}
	return func(now *user) error {
		if now.Hash != u.Hash {
			return errPasswordChanged
		}
		now.Hash, now.History, now.PasswordSet = fresh.Hash, fresh.History, fresh.PasswordSet
		return nil
	}, nil
}

var errPasswordChanged = fault.New(fault.Unavailable, "kernel.login.contended", "somebody else changed the password at the same time; try again")

// refusals remembers for a minute what was refused.
type refusals struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]bool
}

// maxRefusals bounds what is remembered; more than so many a minute are not recorded one by one.
const maxRefusals = 1000

// first reports whether this was not refused in this minute yet.
func (f *refusals) first(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.since) > time.Minute {
		f.since, f.seen = time.Now(), map[string]bool{}
	}
	what = digestOf(what)
	if f.seen[what] || len(f.seen) >= maxRefusals {
		return false
	}
	f.seen[what] = true
	return true
}
