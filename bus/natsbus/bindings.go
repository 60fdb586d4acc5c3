package natsbus

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// record is the value of one key: all bindings of one service in one zone.
type record struct {
	Service  string           `json:"service"`
	Zone     driver.Zone      `json:"zone"`
	Bindings []driver.Binding `json:"bindings"`
	Left     time.Time        `json:"left,omitzero"` // when the last one left, while there is none
}

func (c *conn) openBucket(ctx context.Context) (err error) {
	c.bindings, err = c.js.KeyValue(ctx, bucketBindings)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return err
	}
	c.bindings, err = c.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket:      bucketBindings,
		Description: "Hansom: which instances take the messages of a service",
		History:     1,
		Replicas:    max(c.config.Replicas, 1),
	})
	return err
}

// Apply implements driver.Bus. One key holds all of a service, so that for every
// service the new bindings come with the write that takes the old ones away.
func (c *conn) Apply(ctx context.Context, z driver.Zone, bindings []driver.Binding) error {
	wanted, err := group(z, bindings)
	if err != nil {
		return err
	}
	actual, err := c.records(ctx, z)
	if err != nil {
		return err
	}
	var changed, emptied []record
	for service, r := range wanted {
		if !sameBindings(r.Bindings, actual[service].Bindings) {
			changed = append(changed, r)
		}
	}
	for service, r := range actual {
		if _, ok := wanted[service]; !ok && len(r.Bindings) > 0 {
			emptied = append(emptied, record{Service: service, Zone: z, Bindings: []driver.Binding{}, Left: time.Now().UTC()})
		}
	}
	if err := c.putAll(ctx, changed); err != nil {
		return err
	}
	return c.putAll(ctx, emptied)
}

func group(z driver.Zone, bindings []driver.Binding) (map[string]record, error) {
	all := map[string]record{}
	for _, b := range bindings {
		if b.Service == "" || b.Instance == "" || len(b.Service) > driver.MaxName || len(b.Instance) > driver.MaxName {
			return nil, fault.New(fault.BadRequest, driver.ReasonBadBinding,
				"binding of service %.40q to instance %.40q: both must be named, in %d bytes at most", b.Service, b.Instance, driver.MaxName)
		}
		if b.Region != z.Region || b.Zone != z.Zone {
			return nil, fault.New(fault.BadRequest, driver.ReasonBadBinding, "binding of %s is in %s/%s and cannot be applied to %s", b.Instance, b.Region, b.Zone, z)
		}
		r := all[b.Service]
		r.Service, r.Zone = b.Service, z
		r.Bindings = append(r.Bindings, b)
		all[b.Service] = r
	}
	for _, r := range all {
		slices.SortStableFunc(r.Bindings, func(a, b driver.Binding) int { return cmp.Compare(a.Instance, b.Instance) })
	}
	return all, nil
}

func sameBindings(a, b []driver.Binding) bool {
	if len(a) != len(b) {
		return false
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

const writers = 32

// putAll writes records, several at a time, and returns the first error.
func (c *conn) putAll(ctx context.Context, records []record) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan record)
	var group sync.WaitGroup
	for range min(writers, len(records)) {
		group.Go(func() {
			for r := range work {
				if err := c.put(ctx, r); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, r := range records {
		select {
		case work <- r:
		case <-ctx.Done():
		}
	}
	close(work)
	group.Wait()
	return engineError(context.Cause(ctx), "store the bindings")
}

func (c *conn) put(ctx context.Context, r record) error {
	value, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.BadRequest, driver.ReasonBadBinding, "the bindings of %s cannot be written as JSON", r.Service)
	}
	return c.engine(ctx, "store the bindings of "+r.Service, func(ctx context.Context) error {
		_, err := c.bindings.Put(ctx, bindingsKey(r.Zone, r.Service), value)
		return err
	})
}

// Bindings implements driver.Bus.
func (c *conn) Bindings(ctx context.Context, z driver.Zone) ([]driver.Binding, error) {
	records, err := c.records(ctx, z)
	if err != nil {
		return nil, err
	}
	var all []driver.Binding
	for _, r := range records {
		all = append(all, r.Bindings...)
	}
	slices.SortStableFunc(all, func(a, b driver.Binding) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
	return all, nil
}

// records reads one zone's records from the engine, by service.
func (c *conn) records(ctx context.Context, z driver.Zone) (all map[string]record, err error) {
	err = c.engine(ctx, "list the bindings of "+z.String(), func(ctx context.Context) error {
		all, err = c.readRecords(ctx, z)
		return err
	})
	return all, err
}

func (c *conn) readRecords(ctx context.Context, z driver.Zone) (map[string]record, error) {
	w, err := c.bindings.Watch(ctx, zonePrefix(z)+">", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer stop(w)
	all := map[string]record{}
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, nats.ErrDisconnected
			case e == nil:
				return all, nil
			}
			var r record
			if err := json.Unmarshal(e.Value(), &r); err != nil {
				return nil, fmt.Errorf("key %s of bucket %s: %w", e.Key(), bucketBindings, err)
			}
			all[r.Service] = r
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
