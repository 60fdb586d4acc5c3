package kernel_test

import (
	"time"

	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

// credentialLife is longer than any test.
const credentialLife = time.Hour

// loginConfig hashes fast enough for tests.
var loginConfig = login.Config{
	Environment: "local", Key: []byte("0123456789abcdef0123456789abcdef"), Hash: login.HashParams{MemoryKiB: 8, Passes: 1},
}

// openLogin runs kernel.login, and has the environment's client call with an administrator's
// token. Nobody can register before somebody runs discovery, so login is not awaited.
func (e *environment) openLogin() {
	e.t.Helper()
	root, err := auth.NewRoot(loginConfig.Environment, loginConfig.Key)
	if err != nil {
		e.t.Fatalf("derive the root: %v", err)
	}
	e.root = root
	st := store.New(memstore.New())
	admin := login.SeedUser{Application: "admin", Identifiers: []string{"root"}, Password: "a rather long pass phrase", Roles: []string{platform.RoleAdmin}}
	if _, err := login.Bootstrap(e.t.Context(), st, loginConfig, login.Seed{Users: []login.SeedUser{admin}}); err != nil {
		e.t.Fatalf("make the administrator: %v", err)
	}
	session, err := login.OpenSession(e.t.Context(), st, loginConfig, "admin", "root", "test")
	if err != nil {
		e.t.Fatalf("open a session: %v", err)
	}
	e.token = session.Token
	e.run(login.New(st, loginConfig, e.options(login.Name)...), e.newWire(), nil)
}

// credential is what an instance of the service proves its identity with.
func (e *environment) credential(service string) *auth.Credential {
	e.t.Helper()
	c, err := e.root.Enrol(service, credentialLife)
	if err != nil {
		e.t.Fatalf("enrol %s: %v", service, err)
	}
	return &c
}
