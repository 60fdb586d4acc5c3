// Package edge is what the API services of version 1 share: reading requests,
// writing answers and problems, and looking up a request's city. Only they import
// it. Faults go out as problem+json (RFC 9457) with the reason that the service
// which found them gave.
package edge

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
)

// A Handler answers a request: it returns what to send as JSON, nil for an empty
// answer (204), or a fault. It must not write to the ResponseWriter itself.
type Handler func(r *http.Request) (any, error)

// Methods returns the http.Handler of one path. A method without a handler is
// answered with 405; HEAD is handled by GET's, and its body dropped by the gateway's
// HTTP server.
func Methods(handlers map[string]Handler) http.Handler {
	if get := handlers[http.MethodGet]; get != nil {
		handlers[http.MethodHead] = get
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if path := r.URL.Path; strings.Count(path, "/") > 3 { // /v1/driver/point
			fail(w, r, refuse(http.StatusNotFound, "no_such_path", "nothing is at %.200q; the path ends with the endpoint's name", path))
			return
		}
		handle := handlers[r.Method]
		if handle == nil {
			methodNotAllowed(w, r, handlers)
			return
		}
		answer, err := handle(r)
		switch {
		case err != nil:
			fail(w, r, err)
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer) // the answers are ours: they encode
		}
	})
}

// Get is Methods with a handler of GET alone.
func Get(h Handler) http.Handler { return Methods(map[string]Handler{http.MethodGet: h}) }

func methodNotAllowed(w http.ResponseWriter, r *http.Request, handlers map[string]Handler) {
	var allowed []string
	for method := range handlers {
		allowed = append(allowed, method)
	}
	slices.Sort(allowed)
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	fail(w, r, refuse(http.StatusMethodNotAllowed, "method_not_allowed", "%s takes %s, not %.20q", r.URL.Path, list, r.Method))
}

// refusal is a fault that HTTP has a more exact status for.
type refusal struct {
	fault  *fault.Error
	status int
}

func (r *refusal) Error() string { return r.fault.Error() }
func (r *refusal) Unwrap() error { return r.fault }

func refuse(status int, reason, message string, args ...any) error {
	code := fault.BadRequest
	if status == http.StatusNotFound {
		code = fault.NotFound
	}
	return &refusal{fault.New(code, "api.v1."+reason, message, args...), status}
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	p := fault.ProblemOf(err, r.Header.Get(platform.HeaderRequestID))
	if exact, ok := err.(*refusal); ok && exact.status != p.Status { //nolint:errorlint // refusals are made here and never wrapped
		p = p.WithStatus(exact.status)
	}
	p.Write(w)
}
