package dial

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	storedriver "github.com/hansom-platform/hansom/store/driver"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

// stores are the drivers of the store, by scheme.
var stores = map[string]func(ctx context.Context, d Dialer, rawURL string) (storedriver.Store, error){
	"sqlite": sqliteStore,
}

// Store opens the store at rawURL: sqlite:///folder/file for an absolute path,
// sqlite:folder/file for one from here.
func (d Dialer) Store(ctx context.Context, rawURL string) (*store.Store, error) {
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok && !strings.HasPrefix(path, "//") {
		rawURL = "sqlite://" + path
	}
	open, err := choose(stores, "store", rawURL)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, d, rawURL)
	if err != nil {
		return nil, err
	}
	return store.New(s), nil
}

// SQLiteURL is the URL of a store in the file at path.
func SQLiteURL(path string) string {
	return "sqlite:" + (&url.URL{Path: path}).EscapedPath()
}

func sqliteStore(ctx context.Context, d Dialer, rawURL string) (storedriver.Store, error) {
	escaped, parameters, _ := strings.Cut(strings.TrimPrefix(rawURL, "sqlite://"), "?")
	if parameters != "" {
		return nil, fault.New(fault.BadRequest, "dial.unknown_parameter", "the store URL %s has parameters; a SQLite store has none", rawURL)
	}
	path, err := url.PathUnescape(escaped)
	if err != nil || path == "" {
		return nil, fault.New(fault.BadRequest, "dial.bad_url", "the store URL %s names no file: want one such as sqlite:///var/lib/hansom/store.db", rawURL)
	}
	return sqlitestore.Open(ctx, path, sqlitestore.Logger(cmp.Or(d.Logger, slog.Default())))
}
