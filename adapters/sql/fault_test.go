package sql_test

import (
	"context"
	stdsql "database/sql"
	"errors"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/adapters/sql"
	"github.com/hansom-platform/hansom/fault"
)

// wantFault fails the test unless err is a fault of this code and reason.
func wantFault(t *testing.T, what string, err error, code fault.Code, reason string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code || f.Reason != reason {
		t.Errorf("%s: got %v, want %s %s", what, err, code, reason)
	}
}

func TestFaultsOfStatements(t *testing.T) {
	cases := []struct {
		name      string
		statement string
		code      fault.Code
		reason    string
	}{
		{"a key that is there", "INSERT INTO fares VALUES (1, 1, 1)", fault.Conflict, "adapters.sql.unique"},
		{"a value twice", "INSERT INTO fares VALUES (2, 1, 1)", fault.Conflict, "adapters.sql.unique"},
		{"a reference to nothing", "INSERT INTO trips VALUES (7)", fault.Conflict, "adapters.sql.foreign_key"},
		{"deleting what is referred to", "DELETE FROM fares WHERE id = 1", fault.Conflict, "adapters.sql.foreign_key"},
		{"a check", "INSERT INTO fares VALUES (3, 3, -1)", fault.Conflict, "adapters.sql.constraint"},
		{"a missing value", "INSERT INTO fares VALUES (NULL, 4, 4)", fault.Internal, "adapters.sql.statement"},
		{"a mistake in the statement", "SELEKT 1", fault.Internal, "adapters.sql.statement"},
		{"a table that is not there", "SELECT * FROM nowhere", fault.Internal, "adapters.sql.statement"},
	}
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		s.table(t, "fares", "id INT PRIMARY KEY, number INT UNIQUE, price INT, CHECK (price > 0)")
		s.table(t, "trips", "fare INT, FOREIGN KEY (fare) REFERENCES fares (id)")
		s.exec(t, "INSERT INTO fares VALUES (1, 1, 1)")
		s.exec(t, "INSERT INTO trips VALUES (1)")
		for _, c := range cases {
			_, err := s.db.Exec(t.Context(), c.statement)
			wantFault(t, c.name+": "+c.statement, err, c.code, c.reason)
			if err != nil && fault.From(err).Detail == "" {
				t.Errorf("%s: no detail for operators", c.statement)
			}
		}
		var id int
		err := s.db.QueryRow(t.Context(), "SELECT id FROM fares WHERE id = 99").Scan(&id)
		wantFault(t, "no row", err, fault.NotFound, "adapters.sql.no_rows")
		if !errors.Is(err, stdsql.ErrNoRows) {
			t.Errorf("no row: errors.Is(%v, sql.ErrNoRows) is false", err)
		}
		s.exec(t, "DELETE FROM trips")
	})
}

func TestTransactionsThatCannotBeSerialized(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		s.table(t, "fares", "id INT PRIMARY KEY, price INT")
		s.exec(t, "INSERT INTO fares VALUES (1, 1)")
		s.exec(t, "INSERT INTO fares VALUES (2, 1)")
		// Each changes a row, then the other's: a deadlock on any server.
		var arrived [2]chan struct{}
		for i := range arrived {
			arrived[i] = make(chan struct{})
		}
		ends := make(chan error, 2)
		for i := range 2 {
			go func() {
				ends <- s.db.InTx(t.Context(), nil, func(ctx context.Context, tx *sql.Tx) error {
					if _, err := tx.Exec(ctx, s.bind("UPDATE fares SET price = 2 WHERE id = ?"), i+1); err != nil {
						return err
					}
					close(arrived[i])
					<-arrived[1-i]
					_, err := tx.Exec(ctx, s.bind("UPDATE fares SET price = 3 WHERE id = ?"), 2-i)
					return err
				})
			}()
		}
		failed := errors.Join(<-ends, <-ends)
		wantFault(t, "two transactions in each other's way", failed, fault.Conflict, "adapters.sql.serialization")
	})
}

func TestBudgets(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		s.exec(t, "SELECT 1")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := s.db.Exec(ctx, s.sleep)
		wantFault(t, "a statement beyond its budget", err, fault.Timeout, "deadline")
		if took := time.Since(began); took > time.Second {
			t.Errorf("a budget of 100 ms took %v", took)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err = s.db.Exec(ctx, "SELECT 1")
		wantFault(t, "a caller that gave up", err, fault.Unavailable, "cancelled")
	})
}

func TestTheConfiguredTimeoutHoldsWithoutADeadline(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("timeout", "100ms")
		s.Log.Await(t, "the configuration is in force")
		_, err := s.db.Exec(context.Background(), s.sleep)
		wantFault(t, "a statement", err, fault.Timeout, "deadline")
		err = s.db.InTx(context.Background(), nil, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.Exec(ctx, s.sleep)
			return err
		})
		wantFault(t, "a statement in a transaction", err, fault.Timeout, "deadline")
	})
}

func TestAFullPoolIsUnavailableWithinTheBudget(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("max_open", 2, "wait", "5s")
		for range 2 {
			tx, err := s.db.Begin(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := s.db.Exec(ctx, "SELECT 1")
		wantFault(t, "a third operation where two are allowed", err, fault.Unavailable, "adapters.sql.pool_exhausted")
		if ctx.Err() != nil {
			t.Errorf("the answer came after the budget of 200 ms, when nobody waits for it any more")
		}
	})
}

func TestAServerThatRefusesTheLogin(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("password", "not-the-passw0rd")
		_, err := s.db.Exec(t.Context(), "SELECT 1")
		wantFault(t, "a wrong password", err, fault.Unavailable, "adapters.sql.login")
		s.Log.Await(t, "cannot be used yet", "hansom.adapters.sql.orders")
	})
}
