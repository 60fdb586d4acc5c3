package sql_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/hansom-platform/hansom/adapters/adaptertest"
	"github.com/hansom-platform/hansom/adapters/sql"
)

// dialect is one server, and what it calls things.
type dialect struct {
	name   string
	system string // db.system.name
	open   func() (*adaptertest.Engine, error)
	sleep  string // a statement that takes five seconds

	first, second string // databases
	current       string // the statement that says which one this is
}

var dialects = []*dialect{
	{
		name: "postgres", system: "postgresql", open: sync.OnceValues(adaptertest.OpenPostgres),
		sleep: "SELECT pg_sleep(5)", first: "postgres", second: "template1", current: "SELECT current_database()",
	},
	{
		name: "mariadb", system: "mariadb", open: sync.OnceValues(adaptertest.OpenMariaDB),
		sleep: "SELECT SLEEP(5)", first: "one", second: "two", current: "SELECT DATABASE()",
	},
}

var opened struct {
	mu  sync.Mutex
	all map[*adaptertest.Engine]bool
}

// TestMain ends the engines that tests started.
func TestMain(m *testing.M) {
	code := m.Run()
	for e := range opened.all {
		if err := e.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close an engine:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// eachServer runs f on every server.
func eachServer(t *testing.T, f func(t *testing.T, s *server)) {
	if testing.Short() {
		t.Log("not tested with -short: it needs database servers")
		return
	}
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			e, err := d.open()
			if err != nil {
				t.Fatal(err)
			}
			opened.mu.Lock()
			if opened.all == nil {
				opened.all = map[*adaptertest.Engine]bool{}
			}
			opened.all[e] = true
			opened.mu.Unlock()
			s := &server{dialect: d, engine: e, Service: adaptertest.NewService(t)}
			s.db = sql.New(s.Service.Service, "orders")
			s.settings = map[string]any{"url": s.url(s.first), "password": adaptertest.Password}
			f(t, s)
		})
	}
}

// server is a running engine and a service with an adapter for it.
type server struct {
	*dialect
	*adaptertest.Service
	engine   *adaptertest.Engine
	db       *sql.DB
	settings map[string]any
}

// url returns the address of a database, without the password.
func (s *server) url(database string) string {
	u := url.URL{Scheme: s.name, User: url.User(adaptertest.User), Host: s.engine.Address(), Path: "/" + database}
	if s.name == "postgres" {
		u.RawQuery = "sslmode=disable"
	}
	return u.String()
}

// start runs the service with the settings, of which some are changed.
func (s *server) start(changes ...any) {
	for i := 0; i < len(changes); i += 2 {
		s.settings[changes[i].(string)] = changes[i+1]
	}
	s.Configure("sql", "orders", s.settings)
	s.Run()
}

// with returns the settings with one changed.
func (s *server) with(name string, value any) map[string]any {
	changed := map[string]any{name: value}
	for k, v := range s.settings {
		if k != name {
			changed[k] = v
		}
	}
	return changed
}

// bind replaces ? by what the server takes for a parameter.
func (s *server) bind(query string) string {
	if s.name != "postgres" {
		return query
	}
	for n := 1; strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", fmt.Sprintf("$%d", n), 1)
	}
	return query
}

// table makes an empty table of these columns, for the test.
func (s *server) table(t *testing.T, name, columns string) {
	t.Helper()
	s.exec(t, "DROP TABLE IF EXISTS "+name)
	s.exec(t, "CREATE TABLE "+name+" ("+columns+")")
	t.Cleanup(func() { _, _ = s.db.Exec(context.Background(), "DROP TABLE IF EXISTS "+name) })
}

func (s *server) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := s.db.Exec(t.Context(), s.bind(query), args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
