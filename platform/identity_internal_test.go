package platform

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/platform/auth"
)

// stubIssuer issues the same token always, which lives for so long.
type stubIssuer struct {
	life   time.Duration
	issued int
}

func (i *stubIssuer) Verifier() *auth.Verifier { return noVerifier }

func (i *stubIssuer) Tokens(_ context.Context, _ string, audiences []string) ([]IssuedToken, error) {
	i.issued++
	return []IssuedToken{{Audience: audiences[0], Token: "same", Expires: time.Now().Add(i.life)}}, nil
}

func TestATokenThatHasJustExpiredIsNoPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticket := newPassport("core.a-1", &stubIssuer{life: -4 * time.Second}).ticket("core.b")
		if got, err := ticket.fetch(t.Context()); got != "same" || err != nil {
			t.Errorf("a token that expired 4 s ago: got %q, %v; want it handed on", got, err)
		}
	})
}

func TestAServiceThatRefusesEveryTokenDoesNotFloodLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := &stubIssuer{life: time.Hour}
		ticket := newPassport("core.a-1", issuer).ticket("core.b")
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if err := ticket.replace(t.Context(), "same"); err != nil {
				t.Fatalf("replace the token: %v", err)
			}
		}
		if issuer.issued > 21 {
			t.Errorf("in a second %d tokens were fetched, want 20 at most", issuer.issued)
		}
	})
}
