package config_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

const hiddenForEta = `{"$secret":{"for":["core.eta"],"hidden":true}}`

func TestSecretsAreShownOnlyToWhomTheyAreFor(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"db":{"user":"u","password":{"$secret":{"value":"hunter2","for":["core.eta"]}}}}`),
			replace("base/core.state", `{"own":{"$secret":{"value":{"a":[1]}}}}`),
			replace("city/LON", `{"token":{"$secret":{"value":"tok","for":["core.eta"]}}}`))
		equal(t, "core.eta", string(h.compile(h.as("core.eta"), layers("core.eta", "")).GetDocument()), `{"db":{"password":"hunter2","user":"u"}}`)
		equal(t, "core.state", string(h.compile(h.as("core.state"), layers("core.state", "")).GetDocument()),
			`{"db":{"password":`+hiddenForEta+`,"user":"u"},"own":{"a":[1]}}`)
		equal(t, "an administrator", string(h.compile(h.client, layers("core.eta", "")).GetDocument()), `{"db":{"password":`+hiddenForEta+`,"user":"u"}}`)
		equal(t, "read by an administrator", h.read("city/LON"), `{"token":`+hiddenForEta+`}`)
		for service, want := range map[string]string{"core.eta": `{"token":"tok"}`, "core.city": `{"token":` + hiddenForEta + `}`} {
			r, err := h.as(service).Read(t.Context(), &configpb.ReadRequest{Id: "city/LON"})
			if err != nil {
				t.Fatalf("%s reads city/LON: %v", service, err)
			}
			equal(t, "read by "+service, string(r.GetDocument().GetJson()), want)
		}
	})
}

func TestHiddenSecretsKeepWhatIsStored(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"p":{"$secret":{"value":"one","for":["core.eta"]}}}`))
		plain := func() string {
			return string(h.compile(h.as("core.eta"), layers("core.eta", "")).GetDocument())
		}
		h.set(replace("base", `{"p":`+hiddenForEta+`,"x":1}`))
		equal(t, "written back", plain(), `{"p":"one","x":1}`)
		h.set(replace("base", `{"p":{"$secret":{"hidden":true,"for":["core.eta","core.state"]}}}`))
		equal(t, "for more readers", string(h.compile(h.as("core.state"), layers("core.state", "")).GetDocument()), `{"p":"one"}`)

		changed := h.update(t.Context(), update(merge("base", `{"p":{"$secret":{"value":"two","for":["core.eta"]}}}`)))
		if len(changed.GetChanges()) != 1 || strings.Contains(changes(changed.GetChanges()), "two") {
			t.Errorf("a changed secret shows as %s, want one change without the value", changes(changed.GetChanges()))
		}
		h.rollback(undo(changed.GetRevision()))
		equal(t, "rolled back", plain(), `{"p":"one"}`)
	})
}

func TestAGrantDoesNotOpenSecrets(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("city/LON", `{"token":{"$secret":{"value":"tok","for":["core.eta"]}}}`))
		h.env.Grant("core.city", "kernel.config", "update")
		h.env.Grant("core.eta", "kernel.config", "update")
		forBoth := `{"token":{"$secret":{"hidden":true,"for":["core.city","core.eta"]}}}`
		response, err := h.as("core.city").Update(t.Context(), update(merge("city/LON", forBoth)))
		mustFail(t, response, err, fault.Forbidden)
		if _, err := h.as("core.city").Update(t.Context(), update(merge("city/LON", `{"token":`+hiddenForEta+`,"x":1}`))); err != nil {
			t.Errorf("writing a hidden secret back as it was: %v", err)
		}
		if _, err := h.as("core.eta").Update(t.Context(), update(merge("city/LON", forBoth))); err != nil {
			t.Errorf("a reader of the secret shares it: %v", err)
		}
	})
}

func TestSecretsCannotBeMovedOrGuessed(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("base", `{"p":{"$secret":{"value":"one","for":["core.eta"]}}}`))
		h.refused(update(merge("base", `{"q":`+hiddenForEta+`}`)), fault.BadRequest, "base: at /q", "no secret is stored")
		h.refused(update(replace("city/LON", `{"p":`+hiddenForEta+`}`)), fault.BadRequest, "city/LON: at /p")
		h.refused(update(replace("city/LON", `{"p":{"$secret":{"value":"x"}}}`)), fault.BadRequest, `"for"`)
		h.refused(update(replace("city/LON", `{"$secret":{"value":{},"for":["core.eta"]}}`)), fault.BadRequest, "whole document")
		if r := h.set(merge("base", `{"p":{"$secret":{"value":"one","for":["core.eta"]}}}`)); r != 2 {
			t.Errorf("writing the same value gives revision %d, want 2: an author must not learn that it guessed right", r)
		}
	})
}

func TestSecretsAreNotInTheFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "x.db")
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		h := newHouse(t, env, openFile(t, path))
		h.start("none")
		h.set(replace("base", `{"p":{"$secret":{"value":"plainly-visible","for":["core.eta"]}},"marker":"find-me"}`))
		h.set(merge("base", `{"p":{"$secret":{"value":"plainly-visible","for":["core.eta"]}}}`))
	})
	found := false
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(content, []byte("find-me"))
		if bytes.Contains(content, []byte("plainly-visible")) {
			t.Errorf("%s holds the secret as it is", f.Name())
		}
	}
	if !found {
		t.Errorf("no file holds the marker beside the secret: the test looks at the wrong files")
	}
}

func TestAnotherKeyIsRefusedAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	st := openFile(t, path)
	for _, c := range []struct {
		name, key, want string
	}{
		{"the first", string(key), ""},
		{"again", string(key), ""},
		{"another", strings.Repeat("x", config.KeySize), "sealed with another key"},
		{"a short one", "short", "it must have 32"},
	} {
		s := config.New(st, config.Config{Listen: "none", Key: []byte(c.key)}, platform.Logger(testLogger(t)))
		err := s.Start(t.Context())
		if closed := s.Close(); closed != nil {
			t.Errorf("%s: close: %v", c.name, closed)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("start with %s key: %v, want %q", c.name, err, c.want)
		}
	}
}

func openFile(t *testing.T, path string) *store.Store {
	t.Helper()
	d, err := sqlitestore.Open(context.Background(), path)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	st := store.New(d)
	t.Cleanup(func() {
		if err := st.Close(context.Background()); err != nil {
			t.Errorf("close %s: %v", path, err)
		}
	})
	return st
}
