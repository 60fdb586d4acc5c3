package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/hansom-platform/hansom/app/dial"
)

// Init makes what an environment needs before its services can run, each in a process
// of its own, on the bus that c names: the keys, and in the store the first
// administrator, whom admin.json of the data folder then names. What is there already
// stays as it is.
func Init(ctx context.Context, c Config) (err error) {
	if c.Bus == "" {
		return errors.New("make an environment: it needs the URL of the bus that its services are going to use")
	}
	c.Services = []string{"kernel.login"}
	data := c
	data.Bus = "" // the store is in the data folder unless c says otherwise
	data = data.withDefaults()
	c.Store, c.Data = data.Store, data.Data
	c = c.withDefaults()
	if err := CheckWord("environment", c.Environment); err != nil {
		return err
	}
	a := &App{config: c, log: c.Logger}
	if a.folder, err = openFolder(c.Data); err != nil {
		return err
	}
	defer a.folder.close()
	if err := a.readKeys(); err != nil {
		return err
	}
	st, err := dial.Dialer{Logger: a.log}.Store(ctx, c.Store)
	if err != nil {
		return fmt.Errorf("open the store %s: %w", dial.Redacted(c.Store), err)
	}
	a.environment.store = st
	err = a.plant(ctx)
	a.note(func(admin *Admin) { admin.Bus, admin.Coord = c.Bus, c.Coord })
	if err == nil {
		err = a.folder.writeAdmin(a.Admin())
	}
	return errors.Join(err, st.Close(ctx))
}
