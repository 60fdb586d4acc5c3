package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/kernel/login"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/telemetry"
	"github.com/hansom-platform/hansom/store"
)

// environment is what the app has of its environment's secrets: all of them where the
// bus is embedded or Config.Keys names them, else nothing.
type environment struct {
	keys  Keys
	root  *auth.Root   // nil: credentials are asked for
	store *store.Store // nil: no service of this app needs it
	token string       // of the first administrator, from this start
}

// needsStore reports whether the app runs services that keep their data in the store.
func (a *App) needsStore() bool {
	return a.config.embedded() || slices.Contains(a.config.Services, config.Name) || slices.Contains(a.config.Services, login.Name)
}

// runStore opens the store, and on first start makes the first administrator.
func (a *App) runStore(ctx context.Context, ready func()) error {
	st, err := dial.Dialer{Logger: a.log}.Store(ctx, a.config.Store)
	if err != nil {
		return fmt.Errorf("open the store %s: %w", dial.Redacted(a.config.Store), err)
	}
	a.environment.store = st
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := st.Close(ctx); err != nil {
			a.log.Warn("closing the store failed", "error", err)
		}
	}()
	defer telemetry.Health("store", st.Check)()
	if a.folder != nil {
		if err := a.plant(ctx); err != nil {
			return err
		}
	}
	ready()
	<-ctx.Done()
	return nil
}

// readKeys takes the keys from the file that the configuration names, else from the
// data folder, where there is one.
func (a *App) readKeys() error {
	var err error
	switch {
	case a.config.Keys != "":
		a.environment.keys, err = ReadKeys(a.config.Keys)
	case a.folder != nil:
		a.environment.keys, err = a.folder.keys()
	default:
		return nil
	}
	if err == nil {
		a.environment.root, err = auth.NewRoot(a.config.Environment, a.environment.keys.Login)
	}
	return err
}

// credentialLife is how long credentials hold that the app makes for its own services.
// They never leave the process.
const credentialLife = 10 * 365 * 24 * time.Hour

// credential returns what an instance of the service proves its identity with.
func (a *App) credential(ctx context.Context, service string) (*auth.Credential, error) {
	if a.environment.root != nil {
		c, err := a.environment.root.Enrol(service, credentialLife)
		return &c, err
	}
	if a.config.Credential != nil {
		return a.config.Credential(ctx, service)
	}
	if path := os.Getenv("HANSOM_IDENTITY"); path != "" {
		return auth.ReadCredential(path, service)
	}
	return nil, fmt.Errorf("%s has no credential to prove its identity with: name one with HANSOM_IDENTITY", service)
}

func (a *App) loginConfig() login.Config {
	return login.Config{Environment: a.config.Environment, Key: a.environment.keys.Login}
}
