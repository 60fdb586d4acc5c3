package platform_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
)

// configHTTP is kernel.config's HTTP side, which answers as told.
func configHTTP(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	t.Setenv("HANSOM_CONFIG", server.URL+"/")
}

func TestStartByHTTP(t *testing.T) {
	var mu sync.Mutex
	var asked []*http.Request
	configHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r)
		mu.Unlock()
		w.Header().Set("ETag", `"h1"`)
		w.Header().Set("Hansom-Revision", "71")
		if r.Header.Get("If-None-Match") == `"h1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte(`{"a": "by http"}`))
	})
	dir := t.TempDir()
	for range 2 { // the second has the first one's last good configuration
		env := platformtest.New(t)
		s := platform.New("core.a", platform.Logger(quiet), platform.ConfigCache(dir))
		env.Start(s)
		wantValue(t, s, "by http")
		if r := reported(t, env, s); r.GetSource() != "http" || r.GetRevision() != 71 || r.GetHash() != "h1" {
			t.Errorf("it reports %v, want revision 71 with hash h1 by http", r)
		}
		env.Stop(s)
	}
	mu.Lock()
	defer mu.Unlock()
	var ours []*http.Request // the stand-in for kernel.discovery asks, too
	for _, r := range asked {
		if r.URL.Query().Get("service") == "core.a" {
			ours = append(ours, r)
		}
	}
	const want = "/compile?environment=local&region=local&service=core.a"
	if len(ours) < 2 || ours[0].URL.String() != want || ours[0].Header.Get("If-None-Match") != "" {
		t.Errorf("it asked %v, want %s first, without If-None-Match", ours, want)
	}
}

func TestUselessHTTPIsNoHindrance(t *testing.T) {
	for what, answer := range map[string]http.HandlerFunc{
		"an error":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hunter2", http.StatusInternalServerError) },
		"another site": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no revision":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"a": "x"}`)) },
		"what is no object": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Hansom-Revision", "1")
			_, _ = w.Write([]byte(`[]`))
		},
	} {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			configHTTP(t, answer)
			env := platformtest.New(t)
			s := platform.New("core.a", platform.Logger(quiet))
			env.Start(s)
			wantValue(t, s, "default")
			if r := reported(t, env, s); r.GetSource() != "none" || r.GetProblem() == "" {
				t.Errorf("it reports %v, want source none and why", r)
			}
		})
	}
}
