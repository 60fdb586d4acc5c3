package platform_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/platform/platformtest"
	"github.com/hansom-platform/hansom/platform/telemetry"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// request sends an endpoint a request with any header.
func (w *world) request(t *testing.T, fields ...bus.Field) *fault.Error {
	t.Helper()
	reply, err := w.open().Request(t.Context(), &bus.Message{Header: append(bus.Header{{Key: bus.HeaderContentType, Value: bus.ContentJSON}}, fields...)})
	if err != nil {
		t.Fatal(err)
	}
	if reply.Header.Get(bus.HeaderType) != bus.TypeError {
		return nil
	}
	var e hansompb.Error
	if err := protojson.Unmarshal(reply.Body, &e); err != nil {
		t.Fatal(err)
	}
	if e.GetDetail() != "" {
		t.Errorf("the caller is told the detail %q", e.GetDetail())
	}
	code, _ := fault.ParseCode(e.GetCode())
	return &fault.Error{Code: code, Reason: e.GetReason(), Message: e.GetMessage()}
}

func TestAForgedNameProvesNothing(t *testing.T) {
	w := newWorld(t)
	do := endpoint("core.a", "do", func(e *rpc.Endpoint) { e.Roles = []string{platform.RoleService} })
	s := w.service("core.a")
	s.Handle(do, text(echo))
	w.run(s)
	token := func(service, instance, audience string) string {
		tokens, err := w.ids.Issuer(service).Tokens(t.Context(), instance, []string{audience})
		if err != nil {
			t.Fatal(err)
		}
		return tokens[0].Token
	}
	const b = "core.b core.b-1"
	for what, tt := range map[string]struct{ from, proof, reason string }{
		"its own token":                       {b, token("core.b", "core.b-1", "core.a"), ""},
		"no token":                            {b, "", anonymous},
		"the kernel's name and no token":      {"kernel.login kernel.login-1", "", anonymous},
		"the operator's name":                 {"operator operator-1", "", anonymous},
		"no name":                             {"", "", anonymous},
		"a token for another service":         {b, token("core.b", "core.b-1", "core.c"), "platform.unauthorized.identity.audience"},
		"another service's token":             {b, token("core.c", "core.c-1", "core.a"), "platform.unauthorized.identity.from"},
		"a token and the kernel's name":       {"kernel.login core.b-1", token("core.b", "core.b-1", "core.a"), "platform.unauthorized.identity.from"},
		"another instance's token":            {"core.b core.b-2", token("core.b", "core.b-1", "core.a"), "platform.unauthorized.identity.from"},
		"a token and a longer name":           {b + "0", token("core.b", "core.b-1", "core.a"), "platform.unauthorized.identity.from"},
		"a token and a name with more behind": {b + " x", token("core.b", "core.b-1", "core.a"), "platform.unauthorized.identity.from"},
		"a token and no name":                 {"", token("core.b", "core.b-1", "core.a"), "platform.unauthorized.identity.from"},
		"a user token":                        {b, w.token(auth.User{Roles: []string{"ADMIN"}}), "platform.unauthorized.identity.type"},
		"rubbish":                             {b, "rubbish", "platform.unauthorized.identity.malformed"},
	} {
		err := w.request(t, bus.Field{Key: bus.HeaderService, Value: "core.a"}, bus.Field{Key: bus.HeaderEndpoint, Value: "do"},
			bus.Field{Key: bus.HeaderFrom, Value: tt.from}, bus.Field{Key: bus.HeaderIdentity, Value: tt.proof})
		if got := reasonOf(err); got != tt.reason {
			t.Errorf("with %s: %q, want %q", what, got, tt.reason)
		}
	}
}

func reasonOf(err *fault.Error) string {
	if err == nil {
		return ""
	}
	return err.Reason
}

// TestADenialTellsOperatorsAndNotTheCaller looks at what the caller gets, at the log and
// at the hop.
func TestADenialTellsOperatorsAndNotTheCaller(t *testing.T) {
	w := newWorld(t)
	var log lockedBuffer
	do := endpoint("core.a", "do", func(e *rpc.Endpoint) { e.Roles = []string{"CUSTOMER"} })
	s := w.service("core.a", platform.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	s.Handle(do, text(echo))
	w.run(s)
	ctx, span := telemetry.StartRoot(t.Context(), "test")
	ctx = w.as(ctx, []string{"DRIVER"})
	for range 20 {
		_, err := say(ctx, w.client("stranger"), do, "")
		if f := fault.From(err); f.Code != fault.Forbidden || f.Detail != "" || strings.Contains(f.Message, "CUSTOMER") || strings.Contains(f.Message, "DRIVER") {
			t.Fatalf("the caller is told %v (detail %q), want FORBIDDEN and nothing of roles", err, f.Detail)
		}
	}
	if got := strings.Count(log.String(), "call denied"); got != 1 {
		t.Errorf("20 denials at once are logged %d times, want once", got)
	}
	for _, where := range []string{log.String(), hopDetail(t, w, s, span.TraceID())} {
		if !strings.Contains(where, "CUSTOMER") || !strings.Contains(where, "DRIVER") {
			t.Errorf("the operator is told %q, want the roles needed and had", where)
		}
	}
}

func hopDetail(t *testing.T, w *world, s *platform.Service, trace string) string {
	t.Helper()
	for _, h := range ask(t, w.operator(), s, platform.EndpointHops, &hansompb.HopsRequest{TraceId: trace}, &hansompb.HopsResponse{}).GetHops() {
		if h.GetServer() {
			return h.GetDetail()
		}
	}
	return ""
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestWithoutACredentialRunSaysHowToGetOne(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		t.Setenv("HANSOM_IDENTITY", "")
		err := platform.New("core.a", platform.Logger(quiet)).Run(t.Context(), func(context.Context) (*bus.Bus, error) { return env.Bus(platformtest.Local), nil })
		if !strings.Contains(fmt.Sprint(err), "HANSOM_IDENTITY") || !fault.Is(err, fault.Unauthorized) {
			t.Errorf("Run: %v, want an error that names HANSOM_IDENTITY", err)
		}
	})
}

// TestWhoCallsByNameProvesItselfToo calls an endpoint that no contract names, at a service
// that is there and at one that is made up.
func TestWhoCallsByNameProvesItselfToo(t *testing.T) {
	w := newWorld(t)
	issuer := &countingIssuer{TokenIssuer: w.ids.Issuer("core.b")}
	do := endpoint("core.a", "do", func(e *rpc.Endpoint) { e.Roles = []string{platform.RoleService} })
	s := w.service("core.a")
	s.Handle(do, text(echo))
	w.run(s)
	c := platform.NewClient("core.b", w.open(), platform.Logger(quiet), platform.Issuer(issuer))
	for range 3 {
		_, err := c.CallRaw(t.Context(), platform.Target{Service: "core.a", Endpoint: "do", ContentType: bus.ContentJSON}, []byte(`"x"`))
		if err != nil {
			t.Errorf("CallRaw: %v", err)
		}
		_, err = c.CallRaw(t.Context(), platform.Target{Service: "core.madeup", Endpoint: "do"}, nil)
		if !fault.Is(err, fault.NoRoute) {
			t.Errorf("CallRaw of a made-up service: %v, want NO_ROUTE", err)
		}
	}
	if got := issuer.asked; len(got) != 1 || got[0] != "core.a" {
		t.Errorf("identity tokens were asked for %q, want core.a only, once", got)
	}
}

type countingIssuer struct {
	platform.TokenIssuer
	asked []string
}

// Tokens implements platform.TokenIssuer.
func (c *countingIssuer) Tokens(ctx context.Context, instance string, audiences []string) ([]platform.IssuedToken, error) {
	c.asked = append(c.asked, audiences...)
	return c.TokenIssuer.Tokens(ctx, instance, audiences)
}
