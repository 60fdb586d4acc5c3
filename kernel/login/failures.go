package login

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/store"
)

// Failures are counted in the store, so that all login instances count together:
//
//   - of one user, from a device that is known for that user: by device;
//   - of one user, from anywhere else: all together;
//   - of one network address, from devices that are not known: all users together.
//
// After some free attempts each further one has to wait twice as long as the one before. So whoever hammers an account
// locks out strangers to that account, for maxPause at most, and never a device from which its owner logged in before.

const (
	firstPause   = time.Second
	maxPause     = 15 * time.Minute
	failureTTL   = time.Hour // after the last failure all is forgotten
	freeBySource = 50        // failures from one address before there are pauses: many people may share it
)

// failures is how often an attempt failed, and until when the next has to wait.
type failures struct {
	Count int       `json:"count"`
	Until time.Time `json:"until,omitzero"`
}

// add counts one more, of which so many are free.
func (f failures) add(free int) failures {
	f.Count++
	if over := f.Count - free; over >= 0 {
		f.Until = time.Now().Add(pauseAfter(over))
	}
	return f
}

// pauseAfter doubles with each failure over what is free.
func pauseAfter(over int) time.Duration {
	if over > 20 {
		return maxPause
	}
	return min(firstPause<<over, maxPause)
}

// failureBook keeps the counters.
type failureBook struct{ table *store.Table }

// strangersKey counts those that hold no known device of the user.
func strangersKey(subject string) store.Key { return store.Key{Partition: "user/" + subject} }

func deviceKey(subject, device string) store.Key {
	return store.Key{Partition: "user/" + subject, Clustering: device}
}

// bySomeUser begins the source of an attempt that a user made over /rpc.
const bySomeUser = "user "

// sourceOf returns where an attempt comes from: the address that a service saw. What anybody else says of its address is
// not believed, or guessing would go on under ever new ones; it is known by its user, if by anything.
func sourceOf(ctx context.Context, claimed string) string {
	if platform.CallerOf(ctx).Service != "" {
		return claimed
	}
	if user, ok := platform.UserOf(ctx); ok {
		return bySomeUser + user.ID
	}
	return ""
}

// sourceKey is false where the address is unknown. Of IPv6 it takes the network of 64 bits, which one customer usually has
// all of.
func sourceKey(source string) (store.Key, bool) {
	if id, ok := strings.CutPrefix(source, bySomeUser); ok {
		return store.Key{Partition: "source/user/" + id}, id != ""
	}
	addr, err := netip.ParseAddr(source)
	if err != nil {
		return store.Key{}, false
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	return store.Key{Partition: "source/" + network.String()}, err == nil
}

// reserve counts an attempt as failed before its outcome is known, so that many at once are not cheaper than one after
// the other, or refuses it. The result takes the count back; it is called when the attempt succeeded or was not made.
func (b failureBook) reserve(ctx context.Context, key store.Key, free int) (undo func(context.Context) error, err error) {
	err = untilSettled("count attempts", func() error {
		f, revision, _, err := get[failures](ctx, b.table, key)
		if err != nil {
			return err
		}
		if wait := time.Until(f.Until); wait > 0 {
			return throttled(wait)
		}
		return set(ctx, b.table, key, f.add(free), revision, store.TTL(failureTTL))
	})
	return func(ctx context.Context) error { return b.takeBack(ctx, key) }, err
}

// takeBack undoes one reservation, and the pause that came of it.
func (b failureBook) takeBack(ctx context.Context, key store.Key) error {
	return untilSettled("count attempts", func() error {
		f, revision, found, err := get[failures](ctx, b.table, key)
		if err != nil || !found {
			return err
		}
		if f.Count <= 1 {
			return b.table.CompareAndDelete(ctx, key, revision)
		}
		return set(ctx, b.table, key, failures{Count: f.Count - 1}, revision, store.TTL(failureTTL))
	})
}

// check refuses an attempt that has to wait.
func (b failureBook) check(ctx context.Context, key store.Key) error {
	f, _, _, err := get[failures](ctx, b.table, key)
	if err != nil {
		return err
	}
	if wait := time.Until(f.Until); wait > 0 {
		return throttled(wait)
	}
	return nil
}

// failed counts an attempt that failed.
func (b failureBook) failed(ctx context.Context, key store.Key, free int) error {
	return untilSettled("count attempts", func() error {
		f, revision, _, err := get[failures](ctx, b.table, key)
		if err != nil {
			return err
		}
		return set(ctx, b.table, key, f.add(free), revision, store.TTL(failureTTL))
	})
}

func throttled(wait time.Duration) error {
	seconds := int((wait + time.Second - 1) / time.Second)
	return fault.New(fault.Throttled, reasonThrottled, "too many failed attempts: try again in %d s", seconds)
}

const reasonThrottled = "kernel.login.throttled"
