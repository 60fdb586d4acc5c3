package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/platform"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/services/core/city"
)

const (
	adminApplication = "admin"
	adminUser        = "admin"

	// deviceUp is the type of device of the sessions that a start opens, so that they end no
	// others but those of the start before.
	deviceUp = "up"
)

// plant makes what an environment needs to be used, where it is not there yet: the
// first administrator and, with the demo, its users and grants. Passwords are drawn at
// random, and admin.json is the only place that has them. Then it opens sessions for
// the command line and the tour.
func (a *App) plant(ctx context.Context) error {
	users, grants := a.seed()
	before, err := a.folder.admin()
	if err != nil {
		return err
	}
	missing, err := login.Missing(ctx, a.environment.store, a.loginConfig(), users)
	if err != nil {
		return fmt.Errorf("look for the first users: %w", err)
	}
	for i, u := range missing {
		if missing[i].Password = passwordOf(before, u); missing[i].Password == "" {
			missing[i].Password = rand.Text()
		}
	}
	// Written before the users are made: a user whose password nobody has read could not be made again.
	// A user that exists keeps the password that it has, which nobody knows where admin.json was lost.
	noted := before
	notePasswords(&noted, missing)
	if err := a.folder.writeAdmin(noted); err != nil {
		return err
	}
	if _, err := login.Bootstrap(ctx, a.environment.store, a.loginConfig(), login.Seed{Users: missing, Grants: grants}); err != nil {
		return fmt.Errorf("make the first users: %w", err)
	}
	a.note(func(admin *Admin) {
		admin.Environment, admin.User, admin.Password, admin.Demo = a.config.Environment, noted.User, noted.Password, noted.Demo
	})
	return a.openSessions(ctx)
}

// seed returns the users, without passwords, and grants of a new environment.
func (a *App) seed() ([]login.SeedUser, []login.Grant) {
	users := []login.SeedUser{{Application: adminApplication, Identifiers: []string{adminUser}, Roles: []string{platform.RoleAdmin}}}
	if !a.demo() {
		return users, nil
	}
	for _, name := range slices.Sorted(maps.Keys(demoUsers)) {
		users = append(users, demoUsers[name])
	}
	return users, demoGrants
}

// demo reports whether the app runs the taxi services.
func (a *App) demo() bool { return slices.Contains(a.config.Services, "core.city") }

func passwordOf(a Admin, u login.SeedUser) string {
	if u.Application == adminApplication {
		return a.Password
	}
	return a.Demo[demoName(u)].Password
}

func notePasswords(a *Admin, users []login.SeedUser) {
	a.Demo = maps.Clone(a.Demo)
	for _, u := range users {
		if u.Application == adminApplication {
			a.User, a.Password = u.Identifiers[0], u.Password
			continue
		}
		if a.Demo == nil {
			a.Demo = map[string]DemoUser{}
		}
		a.Demo[demoName(u)] = DemoUser{Identifier: u.Identifiers[0], Password: u.Password}
	}
}

// openSessions opens a session for the first administrator and one for each user of the
// demo. An administrator that was deleted or disabled since is not missed.
func (a *App) openSessions(ctx context.Context) error {
	open := func(application, user string) string {
		s, err := login.OpenSession(ctx, a.environment.store, a.loginConfig(), application, user, deviceUp)
		if err != nil {
			a.log.Warn("no session was opened at the start; log in by yourself", "application", application, "user", user, "error", err)
			return ""
		}
		if application == adminApplication {
			a.environment.token = s.Token
		}
		return s.ID
	}
	session := open(adminApplication, adminUser)
	demo := map[string]DemoUser{}
	if a.demo() {
		for name, u := range demoUsers {
			demo[name] = DemoUser{Session: open(u.Application, u.Identifiers[0])}
		}
	}
	a.note(func(admin *Admin) {
		admin.Session = session
		for name, u := range demo {
			noted := admin.Demo[name]
			noted.Session = u.Session
			if admin.Demo == nil {
				admin.Demo = map[string]DemoUser{}
			}
			admin.Demo[name] = noted
		}
	})
	return nil
}

// runSeed writes the demo's configuration where none was ever written.
func (a *App) runSeed(ctx context.Context, ready func()) error {
	b, err := a.dialer("hansom up")(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.WithoutCancel(ctx)) }()
	if err := a.writeSeed(ctx, b); err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return nil
}

func (a *App) writeSeed(ctx context.Context, b *bus.Bus) error {
	if a.environment.token == "" {
		return nil
	}
	config := configpb.NewConfigClient(platform.NewClient(platform.Operator, b))
	ctx = platform.WithToken(ctx, a.environment.token)
	history, err := config.History(ctx, &configpb.HistoryRequest{Limit: 1})
	if err != nil {
		return fmt.Errorf("look for the demo's configuration: %w", err)
	}
	if len(history.GetRevisions()) > 0 {
		return nil
	}
	documents := city.Seed()
	request := &configpb.UpdateRequest{Message: "the cities of the demo"}
	for _, id := range slices.Sorted(maps.Keys(documents)) {
		request.Edits = append(request.Edits, &configpb.Edit{
			Id: id, Kind: configpb.Edit_KIND_REPLACE, Json: documents[id], CheckRevision: true,
		})
	}
	if _, err := config.Update(ctx, request); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	return nil
}
