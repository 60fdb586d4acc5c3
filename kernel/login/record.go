package login

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
)

// maxTries bounds how often a record is read again because somebody else changed
// it between reading and writing.
const maxTries = 32

// errUnchanged ends a change that turned out to be none.
var errUnchanged = errors.New("unchanged")

// encode returns the stored form of v, which has no member that JSON cannot hold.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("login: encode: " + err.Error())
	}
	return text
}

// decode reads the stored form of one record.
func decode[T any](r store.Record) (T, error) {
	var v T
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return v, fault.Wrap(err, fault.Unavailable, store.ReasonCorrupt, "a record of kernel.login cannot be read").
			WithDetail("key %q %q: %v", r.Key.Partition, r.Key.Clustering, err)
	}
	return v, nil
}

// get reads the record at key. The last result tells whether there is one.
func get[T any](ctx context.Context, t *store.Table, key store.Key) (v T, revision uint64, found bool, err error) {
	r, err := t.Get(ctx, key)
	if fault.Is(err, fault.NotFound) {
		return v, 0, false, nil
	}
	if err != nil {
		return v, 0, false, err
	}
	v, err = decode[T](r)
	return v, r.Revision, err == nil, err
}

// set writes v at key if the record is still at revision, where 0 means that there is none.
func set(ctx context.Context, t *store.Table, key store.Key, v any, revision uint64, opts ...store.WriteOption) error {
	var err error
	if revision == 0 {
		_, err = t.Create(ctx, key, encode(v), opts...)
	} else {
		_, err = t.CompareAndSet(ctx, key, encode(v), revision, opts...)
	}
	return err
}

// untilSettled does step until it does not meet somebody else's write any more.
func untilSettled(what string, step func() error) error {
	for range maxTries {
		err := step()
		if !store.IsConflict(err) {
			return err
		}
	}
	return fault.New(fault.Unavailable, "kernel.login.contended", "%s: too many others change the same record; try again", what)
}
