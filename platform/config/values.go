package config

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hansom-platform/hansom/fault"
)

// Values is one service's configuration, as it is now.
type Values struct {
	current atomic.Pointer[snapshot]
	logger  atomic.Pointer[slog.Logger]

	mu        sync.Mutex // held to replace current, and for what is below
	watchers  []*watcher
	notifying bool // the goroutine that calls back runs
}

// snapshot is a document as it was set. It never changes.
type snapshot struct {
	*content
	revision uint64
	hash     string
}

// content is what successive revisions share that leave the document as it is.
type content struct {
	document []byte
	root     map[string]any // numbers as json.Number, which keeps them exact
	warned   sync.Map       // keys that were complained about
}

// New returns empty values, at revision 0.
func New() *Values {
	v := new(Values)
	v.current.Store(&snapshot{content: &content{document: []byte("{}")}})
	return v
}

// ContextKey is the key under which a context has its *Values, for contexts that
// implement Value by themselves.
type ContextKey struct{}

// none is what contexts have that carry no values. It stays empty.
var none = New()

// NewContext returns a context that carries v.
func NewContext(ctx context.Context, v *Values) context.Context {
	return context.WithValue(ctx, ContextKey{}, v)
}

// FromContext returns the values that ctx carries. Where it carries none they are
// empty, stay so and cannot be set.
func FromContext(ctx context.Context) *Values {
	if v, ok := ctx.Value(ContextKey{}).(*Values); ok && v != nil {
		return v
	}
	return none
}

// SetLogger replaces slog.Default() as the place for complaints about values of the
// wrong type.
func (v *Values) SetLogger(l *slog.Logger) { v.logger.Store(l) }

func (v *Values) log() *slog.Logger {
	if l := v.logger.Load(); l != nil {
		return l
	}
	return slog.Default()
}

// Set replaces the document, a JSON object, by one that was compiled at the
// given revision of the whole history and has the given hash. When it returns, getters
// see the new document; callbacks run after that. An error leaves everything as it was.
// It is for the platform and for tests.
func (v *Values) Set(document []byte, revision uint64, hash string) error {
	if v == none {
		return fault.New(fault.Conflict, "platform.config.none", "the values of a context that carries none cannot be set: make some with config.New")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.current.Load().content
	if !bytes.Equal(document, c.document) {
		root, err := parse(document)
		if err != nil {
			return err
		}
		c = &content{document: bytes.Clone(document), root: root}
	}
	v.current.Store(&snapshot{content: c, revision: revision, hash: hash})
	v.notify()
	return nil
}

// Document returns a copy of the document, with the secrets that are in it.
func (v *Values) Document() []byte { return bytes.Clone(v.current.Load().document) }

// Revision returns the revision of the whole history that the document is known to
// be up to date with, 0 when none was ever set.
func (v *Values) Revision() uint64 { return v.current.Load().revision }

// Hash returns the document's hash as it was set.
func (v *Values) Hash() string { return v.current.Load().hash }
