package sql_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hansom-platform/hansom/adapters/adaptertest"
	"github.com/hansom-platform/hansom/adapters/sql"
	"github.com/hansom-platform/hansom/fault"
)

// database returns which database the adapter uses now.
func (s *server) database(t *testing.T) string {
	t.Helper()
	var name string
	if err := s.db.QueryRow(t.Context(), s.dialect.current).Scan(&name); err != nil {
		t.Fatalf("%s: %v", s.dialect.current, err)
	}
	return name
}

func TestReconfigurationUnderLoadFailsNothing(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("max_open", 4)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var done atomic.Int64
		var load sync.WaitGroup
		for range 8 {
			load.Go(func() {
				for ctx.Err() == nil {
					err := s.db.InTx(t.Context(), nil, func(ctx context.Context, tx *sql.Tx) error {
						var before, after string
						if err := tx.QueryRow(ctx, s.dialect.current).Scan(&before); err != nil {
							return err
						}
						if err := tx.QueryRow(ctx, s.dialect.current).Scan(&after); err != nil {
							return err
						}
						if before != after {
							return fmt.Errorf("a transaction moved from %s to %s", before, after)
						}
						return nil
					})
					if err != nil {
						t.Errorf("operation %d: %v", done.Load(), err)
						return
					}
					done.Add(1)
				}
			})
		}
		for round := range 6 {
			want := []string{s.second, s.first}[round%2]
			s.Configure("sql", "orders", s.with("url", s.url(want)))
			before := done.Load()
			adaptertest.Await(t, "the new database", func() error {
				if got := s.database(t); got != want {
					return fmt.Errorf("the database is %s, want %s", got, want)
				}
				if done.Load() < before+50 {
					return fmt.Errorf("only %d operations since", done.Load()-before)
				}
				return nil
			})
		}
		cancel()
		load.Wait()
	})
}

func TestABrokenReconfigurationKeepsTheOld(t *testing.T) {
	cases := []struct {
		name    string
		change  func(s *server) map[string]any
		message string // that the log explains it with
	}{
		{"a name that is no setting", func(s *server) map[string]any { return s.with("max_opne", 5) }, "max_opne"},
		{"a wrong type", func(s *server) map[string]any { return s.with("max_open", "many") }, "max_open"},
		{"a value out of bounds", func(s *server) map[string]any { return s.with("max_open", 0) }, "max_open is 0"},
		{"no duration", func(s *server) map[string]any { return s.with("timeout", "soon") }, "timeout"},
		{"no url", func(s *server) map[string]any { return s.with("url", "") }, "url is missing"},
		{"an unknown scheme", func(s *server) map[string]any { return s.with("url", "oracle://x@y/z") }, "oracle"},
		{"a password that is not encoded", func(s *server) map[string]any {
			return s.with("url", strings.Replace(s.url(s.first), "@", ":"+adaptertest.Password+"@", 1))
		}, "percent-encoded"},
		{"a port where nobody listens", func(s *server) map[string]any {
			return s.with("url", strings.Replace(s.url(s.first), s.engine.Address(), "127.0.0.1:1", 1))
		}, "refused"},
		{"a wrong password", func(s *server) map[string]any { return s.with("password", "wr0ng-0ne") }, "stays in force"},
		{"a database that is not there", func(s *server) map[string]any { return s.with("url", s.url("nowhere")) }, "nowhere"},
	}
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		var logged strings.Builder
		for _, c := range cases {
			logged.WriteString(s.Log.Take())
			s.Configure("sql", "orders", c.change(s))
			s.Log.Await(t, "level=ERROR", "hansom.adapters.sql.orders", "remedy=", c.message)
			if got := s.database(t); got != s.first {
				t.Errorf("%s: the database is %s, want the old one, %s", c.name, got, s.first)
			}
			if err := s.db.Check(t.Context()); err != nil {
				t.Errorf("%s: the health check fails though the old configuration works: %v", c.name, err)
			}
		}
		s.Configure("sql", "orders", s.with("url", s.url(s.second)))
		adaptertest.Await(t, "a good configuration after the broken ones", func() error {
			if got := s.database(t); got != s.second {
				return fmt.Errorf("the database is %s, want %s", got, s.second)
			}
			return nil
		})
		logged.WriteString(s.Log.Take())
		for _, secret := range []string{adaptertest.Password, "wr0ng-0ne"} {
			if strings.Contains(logged.String(), secret) {
				t.Errorf("the log shows the password %q:\n%s", secret, logged.String())
			}
		}
	})
}

func TestWithoutConfigurationAndBack(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.Run()
		_, err := s.db.Exec(t.Context(), "SELECT 1")
		wantFault(t, "before there is a configuration", err, fault.Unavailable, "adapters.sql.not_configured")
		if !strings.Contains(fault.From(err).Detail, "hansom.adapters.sql.orders") {
			t.Errorf("the detail of %v does not name the key", err)
		}
		works := func() error { _, err := s.db.Exec(t.Context(), "SELECT 1"); return err }
		s.Configure("sql", "orders", s.settings)
		adaptertest.Await(t, "a configuration that came late", works)
		s.Configure("sql", "orders", nil)
		adaptertest.Await(t, "the removal of the configuration", func() error {
			if err := works(); fault.ReasonOf(err) != "adapters.sql.not_configured" {
				return fmt.Errorf("operations end with %w, want not_configured", err)
			}
			return nil
		})
		s.Configure("sql", "orders", s.settings)
		adaptertest.Await(t, "a configuration that came back", works)
	})
}

func TestWhatRunsTooLongOnAnOldConfigurationIsEnded(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("drain", "100ms")
		tx, err := s.db.Begin(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		s.Configure("sql", "orders", s.with("url", s.url(s.second)))
		_, err = tx.Exec(t.Context(), s.sleep)
		wantFault(t, "a transaction beyond the drain", err, fault.Unavailable, "adapters.sql.replaced")
		s.Log.Await(t, "still run on a former configuration", "operations=1", "hansom.adapters.sql.orders.drain")
	})
}

func TestAServerThatRestarts(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		s.exec(t, "SELECT 1")
		if err := s.db.Check(t.Context()); err != nil {
			t.Errorf("the check of a healthy server: %v", err)
		}
		tx, err := s.db.Begin(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if err := s.engine.Stop(); err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), "SELECT 1")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("a statement of a transaction whose server went away: %v, want UNAVAILABLE", err)
		}
		for range 3 {
			_, err = s.db.Exec(t.Context(), "SELECT 1")
			wantFault(t, "without a server", err, fault.Unavailable, "adapters.sql.unreachable")
		}
		if err := s.db.Check(t.Context()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("the check without a server: %v, want UNAVAILABLE", err)
		}
		if err := s.engine.Start(); err != nil {
			t.Fatal(err)
		}
		adaptertest.Await(t, "a server that is back", func() error { return s.db.Check(t.Context()) })
		s.exec(t, "SELECT 1")
	})
}

func TestAServiceStartsBeforeItsServer(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		if err := s.engine.Stop(); err != nil {
			t.Fatal(err)
		}
		s.start()
		_, err := s.db.Exec(t.Context(), "SELECT 1")
		wantFault(t, "without a server", err, fault.Unavailable, "adapters.sql.unreachable")
		if err := s.engine.Start(); err != nil {
			t.Fatal(err)
		}
		adaptertest.Await(t, "a server that came after the service", func() error { return s.db.Check(t.Context()) })
	})
}
