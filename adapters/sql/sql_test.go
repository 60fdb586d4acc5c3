package sql_test

import (
	"context"
	stdsql "database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/adapters/sql"
	"github.com/hansom-platform/hansom/fault"
)

func TestQueries(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		s.table(t, "fares", "id INT PRIMARY KEY, city VARCHAR(10), paid TIMESTAMP NULL")
		now := time.Now().UTC().Truncate(time.Second)
		for id, city := range []string{"LON", "DUB", "LON"} {
			result, err := s.db.Exec(t.Context(), s.bind("INSERT INTO fares VALUES (?, ?, ?)"), id, city, now)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := result.RowsAffected(); n != 1 || err != nil {
				t.Fatalf("inserting a row affected %d rows (%v), want 1", n, err)
			}
		}
		var paid time.Time
		if err := s.db.QueryRow(t.Context(), "SELECT paid FROM fares WHERE id = 1").Scan(&paid); err != nil || !paid.Equal(now) {
			t.Errorf("a time came back as %v (%v), want %v", paid, err, now)
		}
		if got, want := ids(t, s, s.bind("SELECT id FROM fares WHERE city = ? ORDER BY id"), "LON"), []int{0, 2}; !slices.Equal(got, want) {
			t.Errorf("ids in LON are %v, want %v", got, want)
		}
	})
}

func ids(t *testing.T, s *server, query string, args ...any) []int {
	t.Helper()
	rows, err := s.db.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var all []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatalf("%s: scan: %v", query, err)
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

func TestTransactions(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("max_open", 1) // so that a transaction that is not given back shows
		s.table(t, "fares", "id INT PRIMARY KEY")
		insert := s.bind("INSERT INTO fares VALUES (?)")
		refused := errors.New("changed my mind")
		for id, want := range []error{nil, refused, nil} {
			err := s.db.InTx(t.Context(), nil, func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.Exec(ctx, insert, id); err != nil {
					return err
				}
				var seen int
				if err := tx.QueryRow(ctx, s.bind("SELECT id FROM fares WHERE id = ?"), id).Scan(&seen); err != nil {
					return err
				}
				return want
			})
			if !errors.Is(err, want) {
				t.Fatalf("transaction %d ended with %v, want %v", id, err, want)
			}
		}
		if got, want := ids(t, s, "SELECT id FROM fares ORDER BY id"), []int{0, 2}; !slices.Equal(got, want) {
			t.Errorf("committed %v, want %v", got, want)
		}
	})
}

func TestATransactionEndsWithItsContext(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("max_open", 1)
		s.table(t, "fares", "id INT PRIMARY KEY")
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := s.db.Begin(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO fares VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		cancel() // and nobody calls Rollback
		if got := ids(t, s, "SELECT id FROM fares"); len(got) != 0 {
			t.Errorf("a transaction whose context ended left %v, want nothing", got)
		}
		if err := tx.Commit(); err == nil {
			t.Errorf("Commit after the end of the context succeeded")
		}
	})
}

func TestRowsThatNobodyClosesEndWithTheirContext(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start("max_open", 1)
		s.table(t, "fares", "id INT PRIMARY KEY")
		s.exec(t, "INSERT INTO fares VALUES (1)")
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := s.db.Query(ctx, "SELECT id FROM fares") // and nobody closes them
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if got := ids(t, s, "SELECT id FROM fares"); len(got) != 1 {
			t.Errorf("the connection came back and found %v, want one row", got)
		}
		if err := rows.Err(); !fault.Is(err, fault.Unavailable) {
			t.Errorf("the rows' error is %v, want UNAVAILABLE: the caller gave up", err)
		}
	})
}

func TestDoHasThePool(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		s.start()
		var one int
		err := s.db.Do(t.Context(), func(ctx context.Context, db *stdsql.DB) error {
			conn, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			return conn.QueryRowContext(ctx, "SELECT 1").Scan(&one)
		})
		if err != nil || one != 1 {
			t.Errorf("Do read %d (%v), want 1", one, err)
		}
		err = s.db.Do(t.Context(), func(ctx context.Context, db *stdsql.DB) error {
			return db.QueryRowContext(ctx, "SELECT 1 WHERE 1 = 0").Scan(&one)
		})
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("Do returned %v, want NOT_FOUND", err)
		}
	})
}
