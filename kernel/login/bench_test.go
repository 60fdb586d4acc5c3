package login

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

// benchRealm is a realm on SQLite with today's costs of hashing and one customer.
func benchRealm(b *testing.B) (*realm, user) {
	b.Helper()
	d, err := sqlitestore.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"))
	if err != nil {
		b.Fatal(err)
	}
	st := store.New(d)
	b.Cleanup(func() { _ = st.Close(background()) })
	r, err := newRealm(st, Config{Environment: "bench", Key: masterKey}, slog.New(slog.DiscardHandler))
	if err == nil {
		err = r.keys.refresh(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	u, err := r.createUser(b.Context(), newUser{"customer", []string{"ada"}, password, []string{"CUSTOMER"}})
	if err != nil {
		b.Fatal(err)
	}
	return r, u
}

// BenchmarkLogin is a whole login: lock-out, argon2id, the session on the disk, the token.
func BenchmarkLogin(b *testing.B) {
	r, u := benchRealm(b)
	known := r.devices.issue(u.ID, "")
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		device := "device-" + string(rune('a'+n.Add(1)))
		for pb.Next() {
			if _, _, err := r.authenticate(background(), attempt{"customer", "ada", password, known, ""}, device); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
}

// BenchmarkHash is what of a login cannot be made faster.
func BenchmarkHash(b *testing.B) {
	h := newHasher(HashParams{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.hash(background(), password); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
}

// BenchmarkExchange is a session's id for its token, as each gateway does once for each session.
func BenchmarkExchange(b *testing.B) {
	r, u := benchRealm(b)
	o, err := r.open(background(), u, "web", "", "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.exchange(background(), o.secret); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
}
