package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// Seed is what an environment starts with.
type Seed struct {
	Users  []SeedUser
	Grants []Grant
}

// SeedUser is a user that is made where none of the identifiers is anybody's yet.
type SeedUser struct {
	Application string
	Identifiers []string
	Password    string
	Roles       []string
}

// Planted is what a Bootstrap made, in the order of the Seed.
type Planted struct {
	Users  []*loginpb.User
	Grants []Grant
}

// seeder is the actor in the audit log of what Bootstrap made.
const seeder = "bootstrap"

// Bootstrap makes the signing key, the users and the grants that are not there yet,
// before any instance of login runs, or beside them. It changes nothing that is there: a user of whom one
// identifier is known stays as it is, whatever the seed says. Passwords follow the default rules of the application.
func Bootstrap(ctx context.Context, st *store.Store, config Config, seed Seed) (Planted, error) {
	var made Planted
	r, err := readyRealm(ctx, st, config)
	if err != nil {
		return made, err
	}
	for _, s := range seed.Users {
		u, err := r.plantUser(ctx, s)
		if err != nil {
			return made, err
		}
		if u != nil {
			made.Users = append(made.Users, u)
		}
	}
	for _, g := range seed.Grants {
		fresh, err := r.plantGrant(ctx, g)
		if err != nil {
			return made, err
		}
		if fresh {
			made.Grants = append(made.Grants, g)
		}
	}
	return made, nil
}

// Missing returns those of the users that a Bootstrap would make.
func Missing(ctx context.Context, st *store.Store, config Config, users []SeedUser) ([]SeedUser, error) {
	r, err := readyRealm(ctx, st, config)
	if err != nil {
		return nil, err
	}
	var missing []SeedUser
	for _, s := range users {
		known, err := r.planted(ctx, s)
		if err != nil {
			return nil, err
		}
		if !known {
			missing = append(missing, s)
		}
	}
	return missing, nil
}

// planted reports whether one of the identifiers is somebody's.
func (r *realm) planted(ctx context.Context, s SeedUser) (bool, error) {
	for _, identifier := range s.Identifiers {
		if _, err := r.users.find(ctx, s.Application, identifier); !errors.Is(err, errNoUser) {
			return err == nil, err
		}
	}
	return false, nil
}

// readyRealm returns a realm that needs no bus and can sign.
func readyRealm(ctx context.Context, st *store.Store, config Config) (*realm, error) {
	r, err := newRealm(st, config, slog.Default())
	if err != nil {
		return nil, err
	}
	return r, r.keys.refresh(ctx)
}

func (r *realm) plantUser(ctx context.Context, s SeedUser) (*loginpb.User, error) {
	if known, err := r.planted(ctx, s); known || err != nil {
		return nil, err
	}
	u, err := r.createUser(ctx, newUser{s.Application, s.Identifiers, s.Password, s.Roles})
	if fault.ReasonOf(err) == reasonTaken { // by somebody who started at the same time
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := entry{Action: "user.create", Actor: seeder, Subject: u.ID, Detail: map[string]string{"application": u.Application}}
	return u.message(), r.audited(ctx, e, nil)
}

func (r *realm) plantGrant(ctx context.Context, g Grant) (bool, error) {
	if err := g.check(); err != nil {
		return false, err
	}
	_, err := r.grants.table.Create(ctx, g.key(), encode(storedGrant{seeder, time.Now()}))
	if store.IsConflict(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	e := g.entry("grant.set")
	e.Actor = seeder
	return true, r.audited(ctx, e, nil)
}

// Session is an open session, with the secrets that only its holder gets.
type Session struct {
	ID      string // the secret
	Token   string
	Expires time.Time // of the token
	User    *loginpb.User
}

// OpenSession opens a session without a password, for whoever has the store and the master key: package app gives the command line
// its first administrator's so. The user is named by id or identifier. It ends the session that the user
// has on this type of device.
func OpenSession(ctx context.Context, st *store.Store, config Config, application, user, device string) (Session, error) {
	device, err := deviceType(device)
	if err != nil {
		return Session{}, err
	}
	r, err := readyRealm(ctx, st, config)
	if err != nil {
		return Session{}, err
	}
	u, err := r.users.find(ctx, application, user)
	if err == nil {
		err = r.admitted(u)
	}
	if err != nil {
		return Session{}, err
	}
	o, err := r.open(ctx, u, device, "", "")
	e := entry{Action: "session.open", Actor: seeder, Subject: u.ID, Detail: map[string]string{"session": o.ID, "device": device}}
	if err := r.audited(ctx, e, err); err != nil {
		return Session{}, err
	}
	return Session{ID: o.secret, Token: o.token, Expires: o.Token.Expires, User: u.message()}, nil
}
