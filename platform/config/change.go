package config

import (
	"runtime/debug"
	"slices"
)

// watcher calls back when the value at a key is no longer what it was.
type watcher struct {
	key  string
	call func()
	seen any // value that call last ran for
}

// OnChange has f called after the value at key, or anything below it, changed; the
// empty key is the whole document. The same JSON in other words is no change. All
// callbacks of v run one at a time on a goroutine of its own, those of one change in
// the order in which they were registered; f may use v as it likes, a panic of f is
// logged. Changes in quick succession may be told as one, and one that is taken
// back at once not at all: f reads what is there now. Register f before reading the
// value for the first time, and nothing is missed. After cancel returned, f is not
// called again, though it may be running still.
func (v *Values) OnChange(key string, f func()) (cancel func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w := &watcher{key: key, call: f, seen: v.current.Load().at(key)}
	v.watchers = append(v.watchers, w)
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.watchers = slices.DeleteFunc(slices.Clone(v.watchers), func(other *watcher) bool { return other == w })
	}
}

// notify starts the goroutine that calls back, unless it runs or there is nobody to
// call. It needs mu.
func (v *Values) notify() {
	if !v.notifying && len(v.watchers) > 0 {
		v.notifying = true
		go v.callBack()
	}
}

// callBack calls whoever is due until nobody is.
func (v *Values) callBack() {
	for pass := v.pass(); len(pass) > 0; pass = v.pass() {
		for _, w := range pass {
			if v.due(w) {
				v.guard(w)
			}
		}
	}
}

// pass returns those that are due now, or ends the notifying.
func (v *Values) pass() []*watcher {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.current.Load()
	var pass []*watcher
	for _, w := range v.watchers {
		if !equal(w.seen, s.at(w.key)) {
			pass = append(pass, w)
		}
	}
	v.notifying = len(pass) > 0
	return pass
}

// due reports whether w is still to be called, and notes what it is called for.
func (v *Values) due(w *watcher) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.current.Load().at(w.key)
	if !slices.Contains(v.watchers, w) || equal(w.seen, now) {
		return false
	}
	w.seen = now
	return true
}

func (v *Values) guard(w *watcher) {
	defer func() {
		if p := recover(); p != nil {
			v.log().Error("a callback on a change of the configuration panicked", "key", w.key, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	w.call()
}
