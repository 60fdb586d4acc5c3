package login

import (
	"testing"

	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/memstore"
)

// On the real clock, whose nanoseconds tokens do not tell.
func TestTokenIssuedAfterARevocationIsGoodAndOneFromBeforeIsNot(t *testing.T) {
	s := newSite(t, store.New(memstore.New()))
	token := func() string {
		made, err := s.identityTokens(t.Context(), "core.eta", "core.eta-1", []string{"core.routing"})
		if err != nil {
			t.Fatal(err)
		}
		return made[0].GetToken()
	}
	good := func(token string) bool {
		s.look()
		_, err := s.verifier.Identity(token, "core.routing")
		return err == nil
	}
	before := token()
	for i := range 5 {
		if err := s.revokeIssued(t.Context(), "core.eta", []string{"core.routing", ""}[i%2]); err != nil {
			t.Fatal(err)
		}
		if good(before) {
			t.Fatalf("after revocation %d the token from before it is good", i+1)
		}
		if before = token(); !good(before) {
			t.Fatalf("after revocation %d a token issued after it is not good", i+1)
		}
	}
}
