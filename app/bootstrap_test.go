package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/app"
)

func rewriteAdmin(t *testing.T, folder string, change func(*app.Admin)) {
	t.Helper()
	path := filepath.Join(folder, "admin.json")
	var a app.Admin
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	change(&a)
	if text, err = json.Marshal(a); err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestARestartKeepsPasswordsAndEndsOldSessions(t *testing.T) {
	c := free(t.TempDir())
	first := start(t, c)
	before := first.Admin()
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, c)
	after := second.Admin()
	if before.Password == "" || after.Password != before.Password {
		t.Error("want the administrator's password of the first start after a restart")
	}
	for _, name := range []string{"customer", "driver", "fleet"} {
		if p := before.Demo[name].Password; p == "" || after.Demo[name].Password != p {
			t.Errorf("%s: want the password of the first start after a restart", name)
		}
	}
	if status, _, body := getAs(t, before.Demo["customer"].Session, after.API+nearDrivers); status != http.StatusUnauthorized {
		t.Errorf("with the session of the start before: want 401, got %d %s", status, body)
	}
	if status, _, body := ask(t, second); status != http.StatusOK {
		t.Errorf("with the session of this start: want 200, got %d %s", status, body)
	}
}

// A first start writes keys.json, then store.db, then the passwords into admin.json, then the
// users, and last of all where it is reached.
func TestAFirstStartThatWasCutShortIsFinished(t *testing.T) {
	c := free(t.TempDir())
	first := start(t, c)
	password := first.Admin().Password
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after string
		lost  []string
	}{
		{"the users", nil},
		{"the passwords", []string{"store.db", "store.db-wal", "store.db-shm"}},
	} {
		cut := free(filepath.Join(t.TempDir(), "data"))
		copyFolder(t, cut.Data, c.Data)
		rewriteAdmin(t, cut.Data, func(a *app.Admin) {
			*a = app.Admin{User: a.User, Password: a.Password, Demo: a.Demo}
		})
		for _, name := range step.lost {
			if err := os.RemoveAll(filepath.Join(cut.Data, name)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := app.ReadAdmin(cut.Data); err == nil || !strings.Contains(err.Error(), "start `hansom up`") {
			t.Errorf("cut short after %s: want an error that says to start again, got %v", step.after, err)
		}
		a := start(t, cut)
		if a.Admin().Password != password {
			t.Errorf("cut short after %s: want the password that was written down", step.after)
		}
		if status, _, body := ask(t, a); status != http.StatusOK {
			t.Errorf("cut short after %s: want 200, got %d %s", step.after, status, body)
		}
	}
	keysOnly := free(filepath.Join(t.TempDir(), "data"))
	copyFolder(t, keysOnly.Data, c.Data)
	for _, name := range []string{"store.db", "store.db-wal", "store.db-shm", "admin.json", "bus"} {
		if err := os.RemoveAll(filepath.Join(keysOnly.Data, name)); err != nil {
			t.Fatal(err)
		}
	}
	if start(t, keysOnly).Admin().Password == "" {
		t.Error("cut short after the keys: want an administrator with a password")
	}
}

func copyFolder(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, "keys.json"), 0o600); err != nil { // os.CopyFS copies no modes
		t.Fatal(err)
	}
}

// Nobody's password may be made up: the users exist, with the passwords that they have.
func TestALostAdminFileIsWrittenWithSessionsAndNoPasswords(t *testing.T) {
	c := free(t.TempDir())
	c.Taxis = 5
	first := start(t, c)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(c.Data, "admin.json")); err != nil {
		t.Fatal(err)
	}
	second := start(t, c)
	admin := second.Admin()
	if admin.Password != "" || admin.Demo["fleet"].Password != "" {
		t.Error("want no passwords of users that exist already")
	}
	if admin.Session == "" {
		t.Error("want a session of the administrator, who can set passwords with it")
	}
	if status, _, body := ask(t, second); status != http.StatusOK {
		t.Errorf("want 200 with the customer's new session, got %d %s", status, body)
	}
}

func TestKeysAreNotMadeBesideAStore(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"lost":      {os.Remove, "restore that file"},
		"readable":  {func(path string) error { return os.Chmod(path, 0o644) }, "chmod 600"},
		"cut short": {func(path string) error { return os.Truncate(path, 20) }, "restore the file"},
		"of others": {otherKeys, "with the master key that the store was made with"},
	} {
		c := free(t.TempDir())
		first := start(t, c)
		if err := first.stop(); err != nil {
			t.Fatal(err)
		}
		if err := test.spoil(filepath.Join(c.Data, "keys.json")); err != nil {
			t.Fatal(err)
		}
		a, err := app.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("keys.json %s: want an error with %q, got %v", name, test.want, err)
		}
	}
}

func otherKeys(path string) error {
	text, err := json.Marshal(app.Keys{Login: make([]byte, 32), Config: make([]byte, 32)})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func TestInitMakesAnEnvironmentAndChangesNothingTheSecondTime(t *testing.T) {
	c := app.Config{Bus: "nats://u:p@127.0.0.1:4222", Data: t.TempDir(), Logger: free("").Logger}
	if err := app.Init(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	first, err := app.ReadAdmin(c.Data)
	if err != nil || first.Password == "" || first.Session == "" || first.Bus != c.Bus {
		t.Fatalf("want the bus, and an administrator with password and session, got bus %q, %v", first.Bus, err)
	}
	keys, err := app.ReadKeys(filepath.Join(c.Data, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Init(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	again, err := app.ReadKeys(filepath.Join(c.Data, "keys.json"))
	if err != nil || string(again.Login) != string(keys.Login) {
		t.Errorf("a second time: want the same keys, got others, or %v", err)
	}
	if second, err := app.ReadAdmin(c.Data); err != nil || second.Password != first.Password {
		t.Errorf("a second time: want the same password, got another, or %v", err)
	}
	for _, name := range []string{"admin.json", "keys.json", "store.db"} {
		if info, err := os.Stat(filepath.Join(c.Data, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: want mode 0600, got %v, %v", name, info, err)
		}
	}
}

func TestInitRefusesAnEnvironmentThatIsNoWord(t *testing.T) {
	c := app.Config{Bus: "nats://127.0.0.1:4222", Environment: "a b", Data: filepath.Join(t.TempDir(), "data"), Logger: free("").Logger}
	if err := app.Init(t.Context(), c); err == nil || !strings.Contains(err.Error(), `environment "a b"`) {
		t.Errorf("want an error that names the environment, got %v", err)
	}
	if _, err := os.Stat(c.Data); err == nil {
		t.Error("want nothing made, got a data folder")
	}
}
