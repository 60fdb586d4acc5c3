package login

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

func TestInstancesThatStartAtOnceAgreeOnTheKey(t *testing.T) {
	inRealm(t, func(t *testing.T, _ *site) {
		st := store.New(memstore.New())
		var ids [8]string
		atOnce(len(ids), func(i int) {
			r, err := readyRealm(t.Context(), st, testConfig())
			if err != nil {
				t.Error(err)
				return
			}
			key, err := r.keys.current()
			if err != nil {
				t.Error(err)
			}
			ids[i] = key.ID
		})
		for _, id := range ids {
			if id != ids[0] || id == "" {
				t.Errorf("the keys are %q, want the same", ids)
				break
			}
		}
	})
}

func TestRotation(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		other := &site{realm: sibling(s), t: t, verifier: s.verifier}
		other.look()
		before := s.logIn("ada", "web")
		first := before.Token.Key
		made, err := s.keys.rotate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.look()
		if !strings.Contains(string(s.verifier.JWKS()), made.ID) {
			t.Error("the new key is not in the key set at once")
		}
		if during := s.logIn("ada", "ios"); during.Token.Key != first {
			t.Error("the new key signs before everybody can know it")
		}
		pass(publishAhead + time.Second)
		other.look()
		after := other.logIn("ada", "android")
		if after.Token.Key != made.ID {
			t.Error("the new key does not sign, on another instance, after it was published")
		}
		if !s.works(before.token) || !s.works(after.token) {
			t.Error("tokens of the old and the new key do not both work")
		}
		if same, err := s.exchange(t.Context(), before.secret); err != nil || same.token != before.token {
			t.Errorf("exchange of a young token of the old key: %v; want the same token", err)
		}
		pass(maxToken + skew + time.Minute)
		s.look()
		if strings.Contains(string(s.verifier.JWKS()), first) {
			t.Error("the old key is in the key set after its last token expired")
		}
	})
}

func TestWrongMasterKeyIsSaidAtTheStart(t *testing.T) {
	inRealm(t, func(t *testing.T, _ *site) {
		st := store.New(memstore.New())
		if _, err := readyRealm(t.Context(), st, testConfig()); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*Config){
			"another master key":  func(c *Config) { c.Key = []byte(strings.Repeat("x", 32)) },
			"another environment": func(c *Config) { c.Environment = "other" },
		} {
			c := testConfig()
			change(&c)
			_, err := readyRealm(t.Context(), st, c)
			wantReason(t, name, err, "kernel.login.master_key")
		}
		c := testConfig()
		c.Key = []byte("short")
		if _, err := readyRealm(t.Context(), st, c); err == nil {
			t.Error("a short master key was accepted")
		}
	})
}

func TestKeysInTheStoreAreSealed(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		key, err := s.keys.current()
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.keys.table.Get(t.Context(), store.Key{Partition: keysPartition, Clustering: numbered(1)})
		if err != nil {
			t.Fatal(err)
		}
		stored, err := decode[storedKey](r)
		if err != nil || len(stored.Sealed) <= len(key.Public) || stored.ID != key.ID {
			t.Errorf("stored: %+v, %v", stored, err)
		}
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	with := func(f func(s *site)) {
		d, err := sqlitestore.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		st := store.New(d)
		f(newSite(t, st))
		if err := st.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	var ended, kept opened
	with(func(s *site) {
		s.customer("ada")
		ended, kept = s.logIn("ada", "web"), s.logIn("ada", "ios")
		if err := s.end(t.Context(), ended.session); err != nil {
			t.Fatal(err)
		}
	})
	with(func(s *site) {
		if got, err := s.exchange(t.Context(), kept.secret); err != nil || got.token != kept.token || !s.works(kept.token) {
			t.Errorf("exchange after the restart: %v; want the same token, and that it works", err)
		}
		if s.works(ended.token) {
			t.Error("a session that was ended before the restart works after it")
		}
		s.logIn("ada", "web")
	})
}
