package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// Audience is who assertions for the HTTP side are made for.
const Audience = Name

// HeaderRevision is the header of answers that tells which revision they are of.
const HeaderRevision = "Hansom-Revision"

const (
	maxWait    = time.Minute
	maxWaiting = 10_000 // clients that wait for a change at once
	maxHeaders = 32 << 10
	closing    = 5 * time.Second // for answers under way
)

// web serves GET /compile and /healthz, so that services start before the bus is up.
//
//	GET /compile?service=core.eta&region=eu-west-1&environment=live&path=hansom&as_of=71&wait=30s
//	Authorization: Bearer <assertion of the service for kernel.config, or token of an administrator>
//	If-None-Match: "<hash>"
//
// answers the document with its ETag, or 304 where it is that still. With wait that is only said once
// the time is up; an answer comes as soon as there is another document.
type web struct {
	*server
	http     http.Server
	listener net.Listener
	waiting  chan struct{}
	ended    context.Context // of the server: whoever waits is answered
	end      context.CancelFunc
}

func listen(ctx context.Context, s *server) (*web, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("serve configuration over HTTP: the address %s is in use; stop what uses it, or choose another with --config-listen: %w", s.config.Listen, err)
	}
	if err != nil {
		return nil, fmt.Errorf("serve configuration over HTTP: listen on %q (--config-listen): %w", s.config.Listen, err)
	}
	w := &web{server: s, listener: l, waiting: make(chan struct{}, maxWaiting)}
	w.ended, w.end = context.WithCancel(context.WithoutCancel(ctx))
	w.http = http.Server{
		Handler: w.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: maxWait + 10*time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return w, nil
}

func (w *web) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /compile", w.compileHTTP)
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set(HeaderRevision, strconv.FormatUint(w.history.State().Revision, 10))
		_, _ = rw.Write([]byte("ok\n"))
	})
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		fault.WriteProblem(rw, fault.New(fault.NotFound, "kernel.config.http", "there is %s here only: GET /compile and GET /healthz", Name), "")
	})
	return mux
}

func (w *web) serve() {
	if err := w.http.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
		w.log.Error("serving configuration over HTTP ended", "error", err)
	}
}

func (w *web) close() error {
	w.end()
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if err := w.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop serving configuration over HTTP: %w", err), w.http.Close())
	}
	return nil
}

// compileHTTP answers GET /compile.
func (w *web) compileHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Cache-Control", "no-cache, private")
	c, err := w.bearer(r)
	if err != nil {
		rw.Header().Set("WWW-Authenticate", `Bearer realm="kernel.config"`)
		fault.WriteProblem(rw, err, "")
		return
	}
	q, wait, err := query(r.URL.Query(), c)
	if err != nil {
		fault.WriteProblem(rw, err, "")
		return
	}
	answer, same, err := w.await(r, c, q, wait)
	if err != nil {
		if fault.Is(err, fault.Unavailable) {
			rw.Header().Set("Retry-After", "1")
		}
		fault.WriteProblem(rw, err, "")
		return
	}
	rw.Header().Set("ETag", `"`+answer.GetHash()+`"`)
	rw.Header().Set(HeaderRevision, strconv.FormatUint(answer.GetRevision(), 10))
	if same {
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Content-Length", strconv.Itoa(len(answer.GetDocument())))
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = rw.Write(answer.GetDocument()) //nolint:gosec // JSON, which no browser takes for a page
}

func (w *web) bearer(r *http.Request) (caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return caller{}, fault.New(fault.Unauthorized, "kernel.config.unauthorized",
			"say who you are: Authorization: Bearer with a service's assertion for kernel.config, or an administrator's token")
	}
	return w.verify(strings.TrimSpace(token))
}

var parameters = []string{"service", "region", "environment", "path", "as_of", "at_least", "wait"}

// query reads the parameters. The service defaults to the one that asks.
func query(q url.Values, c caller) (*configpb.CompileRequest, time.Duration, error) {
	for name, values := range q {
		if !slices.Contains(parameters, name) || len(values) != 1 {
			return nil, 0, badQuery("the parameter %q is unknown, or given more than once; there are %s", name, strings.Join(parameters, ", "))
		}
	}
	r := &configpb.CompileRequest{
		Layers: &configpb.Layers{
			Service: q.Get("service"), Region: q.Get("region"), Environment: q.Get("environment"),
		},
		Path: q.Get("path"),
	}
	if !q.Has("service") {
		r.Layers.Service = c.service
	}
	for name, to := range map[string]*uint64{"as_of": &r.AsOf, "at_least": &r.AtLeast} {
		if !q.Has(name) {
			continue
		}
		n, err := strconv.ParseUint(q.Get(name), 10, 64)
		if err != nil {
			return nil, 0, badQuery("%s=%q: it is the number of a revision", name, q.Get(name))
		}
		*to = n
	}
	var wait time.Duration
	if q.Has("wait") {
		var err error
		if wait, err = time.ParseDuration(q.Get("wait")); err != nil || wait < 0 {
			return nil, 0, badQuery("wait=%q: it is a duration such as 30s", q.Get("wait"))
		}
	}
	return r, min(wait, maxWait), nil
}

func badQuery(format string, args ...any) error {
	return fault.New(fault.BadRequest, "kernel.config.query", format, args...)
}

// await compiles, again after every change while the client has what comes of it, until its time is up.
func (w *web) await(r *http.Request, c caller, q *configpb.CompileRequest, wait time.Duration) (answer *configpb.CompileResponse, same bool, err error) {
	has := r.Header.Get("If-None-Match")
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for holding := false; ; {
		moved := w.history.Moved()
		if answer, err = w.compileNow(r.Context(), c, q); err != nil {
			return nil, false, err
		}
		if same = matches(has, answer.GetHash()); !same || wait == 0 {
			return answer, same, nil
		}
		if !holding {
			select {
			case w.waiting <- struct{}{}:
				holding = true
				defer func() { <-w.waiting }()
			default:
				return nil, false, fault.New(fault.Unavailable, "kernel.config.busy", "%d clients wait for changes already; ask again without wait", maxWaiting)
			}
		}
		select {
		case <-moved:
		case <-deadline.C:
			return answer, same, nil
		case <-w.ended.Done():
			return answer, same, nil
		case <-r.Context().Done():
			return nil, false, fault.From(r.Context().Err())
		}
	}
}

func (w *web) compileNow(ctx context.Context, c caller, q *configpb.CompileRequest) (*configpb.CompileResponse, error) {
	state, err := w.stateFor(ctx, c, max(q.GetAsOf(), q.GetAtLeast()))
	if err != nil {
		return nil, err
	}
	return w.compile(ctx, c, state, q)
}

// matches tells whether If-None-Match (RFC 9110 §13.1.2) has a hash.
func matches(header, hash string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == `"`+hash+`"` {
			return true
		}
	}
	return false
}
