package membus

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// Apply implements driver.Bus. Each service changes at once.
func (c *conn) Apply(ctx context.Context, z driver.Zone, bindings []driver.Binding) error {
	wanted, err := byService(z, bindings)
	if err != nil {
		return err
	}
	if err := c.awaitPower(ctx); err != nil {
		return err
	}
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for service, bindings := range wanted {
		e.table.Set(service, z, copyBindings(bindings), time.Time{})
	}
	for service := range e.bound[z] {
		if _, ok := wanted[service]; !ok {
			e.table.Set(service, z, nil, time.Now())
		}
	}
	e.bound[z] = wanted
	return nil
}

func byService(z driver.Zone, bindings []driver.Binding) (map[string][]driver.Binding, error) {
	all := map[string][]driver.Binding{}
	for _, b := range copyBindings(bindings) {
		if b.Service == "" || b.Instance == "" {
			return nil, fault.New(fault.BadRequest, driver.ReasonBadBinding,
				"binding of service %q to instance %q: both must be named", b.Service, b.Instance)
		}
		if b.Region != z.Region || b.Zone != z.Zone {
			return nil, fault.New(fault.BadRequest, driver.ReasonBadBinding,
				"binding of %s is in %s/%s and cannot be applied to %s", b.Instance, b.Region, b.Zone, z)
		}
		all[b.Service] = append(all[b.Service], b)
	}
	return all, nil
}

func copyBindings(bindings []driver.Binding) []driver.Binding {
	all := slices.Clone(bindings)
	for i := range all {
		all[i].Match = maps.Clone(all[i].Match)
	}
	return all
}

// Bindings implements driver.Bus.
func (c *conn) Bindings(ctx context.Context, z driver.Zone) ([]driver.Binding, error) {
	if err := c.awaitPower(ctx); err != nil {
		return nil, err
	}
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	var all []driver.Binding
	for _, bindings := range c.engine.bound[z] {
		all = append(all, copyBindings(bindings)...)
	}
	slices.SortFunc(all, func(a, b driver.Binding) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
	return all, nil
}
