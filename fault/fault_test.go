package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
)

func TestCodesRoundTripTheirWireSpelling(t *testing.T) {
	for _, c := range fault.Codes() {
		got, ok := fault.ParseCode(c.String())
		if !ok || got != c {
			t.Errorf("ParseCode(%q) = %v, %v; want %v, true", c.String(), got, ok, c)
		}
		if c.HTTPStatus() < 400 {
			t.Errorf("%v.HTTPStatus() = %d, want an error status", c, c.HTTPStatus())
		}
	}
	if _, ok := fault.ParseCode("NO_SUCH"); ok {
		t.Error(`ParseCode("NO_SUCH") accepted a code outside the set`)
	}
}

func TestFromTranslatesForeignErrors(t *testing.T) {
	own := fault.New(fault.NotFound, "core.city.read", "no city %q", "XXX")
	for _, c := range []struct {
		name string
		err  error
		want fault.Code
	}{
		{"a fault deep in a chain", fmt.Errorf("read: %w", own), fault.NotFound},
		{"deadline", fmt.Errorf("call: %w", context.DeadlineExceeded), fault.Timeout},
		{"cancel", context.Canceled, fault.Unavailable},
		{"anything else", errors.New("disk on fire"), fault.Internal},
	} {
		if got := fault.CodeOf(c.err); got != c.want {
			t.Errorf("%s: CodeOf(%v) = %v, want %v", c.name, c.err, got, c.want)
		}
	}
	if fault.From(nil) != nil || fault.Is(nil, fault.Internal) {
		t.Error("nil must not become a fault")
	}
}

func TestProblemHidesTheOperatorsDetail(t *testing.T) {
	err := fault.Wrap(errors.New("password=hunter2"), fault.Unavailable, "core.state.down", "try again")
	w := httptest.NewRecorder()
	fault.WriteProblem(w, err, "req-1")

	if got := w.Header().Get("Content-Type"); got != fault.ProblemType {
		t.Errorf("Content-Type = %q, want %q", got, fault.ProblemType)
	}
	if w.Code != 503 {
		t.Errorf("status = %d, want 503", w.Code)
	}
	if strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("the body shows the operator's detail: %s", w.Body)
	}
	var p fault.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("body is not JSON: %v: %s", err, w.Body)
	}
	want := fault.Problem{Type: "about:blank", Title: "Service Unavailable", Status: 503, Detail: "try again",
		Code: "UNAVAILABLE", Reason: "core.state.down", RequestID: "req-1"}
	if p != want {
		t.Errorf("problem = %+v, want %+v", p, want)
	}
}

func TestWrapKeepsTheCause(t *testing.T) {
	cause := errors.New("cause")
	err := fault.Wrap(cause, fault.Internal, "x", "m")
	if !errors.Is(err, cause) {
		t.Error("errors.Is does not find the cause")
	}
	if !strings.Contains(err.Error(), "cause") {
		t.Errorf("Error() = %q, want the cause in it for operators", err.Error())
	}
}

func TestProblemUnderAnotherStatus(t *testing.T) {
	w := httptest.NewRecorder()
	err := fault.New(fault.BadRequest, "gateway.too_large", "the body is too large")
	fault.ProblemOf(err, "").WithStatus(413).Write(w)
	var p fault.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("body is not JSON: %v: %s", err, w.Body)
	}
	if w.Code != 413 || p.Status != 413 || p.Title != "Request Entity Too Large" || p.Code != "BAD_REQUEST" {
		t.Errorf("got status %d and %+v, want 413 in both, its title, and the fault's own code", w.Code, p)
	}
}
