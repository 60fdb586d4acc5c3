package login

import (
	"context"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/store"
)

// Identities gives what platformtest starts by itself the identities of the realm under
// test, without the bus.
type Identities struct {
	realm    *realm
	verifier *auth.Verifier
}

// NewIdentities returns the identities of the realm in st.
func NewIdentities(ctx context.Context, st *store.Store, c Config) (*Identities, error) {
	r, err := readyRealm(ctx, st, c)
	if err != nil {
		return nil, err
	}
	i := &Identities{r, auth.NewVerifier(r.root.PublicKey(), r.env)}
	return i, i.verifier.SetKeys(r.keys.set())
}

// UserToken implements platformtest.Identities.
func (i *Identities) UserToken(u *auth.User) (string, error) {
	key, err := i.realm.keys.current()
	if err != nil {
		return "", err
	}
	return key.signer.User(u)
}

// Issuer implements platformtest.Identities.
func (i *Identities) Issuer(service string) platform.TokenIssuer { return issuerOf{i, service} }

type issuerOf struct {
	*Identities
	service string
}

// Verifier implements platform.TokenIssuer.
func (i issuerOf) Verifier() *auth.Verifier { return i.verifier }

// Tokens implements platform.TokenIssuer.
func (i issuerOf) Tokens(ctx context.Context, instance string, audiences []string) ([]platform.IssuedToken, error) {
	made, err := i.realm.identityTokens(ctx, i.service, instance, audiences)
	if err != nil {
		return nil, err
	}
	tokens := make([]platform.IssuedToken, len(made))
	for n, m := range made {
		tokens[n] = platform.IssuedToken{Audience: m.GetAudience(), Token: m.GetToken(), Expires: m.GetExpires().AsTime()}
	}
	return tokens, nil
}
