package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hansom-platform/hansom/fault"
)

const (
	headerAuthorization = "Authorization"
	headerChallenge     = "WWW-Authenticate"
	parameterSession    = "session_id"

	// RoleTester lets a user name an overlay, and somebody else's cohort.
	RoleTester = "TESTER"
)

// presented is the credential of a request: the id of a session, or a user's token.
type presented struct {
	value   string // "": none
	inQuery bool
}

// credentialOf reads a request's credential (RFC 6750 §2). One that cannot be read is an
// error: nobody who wants to be somebody is taken for nobody.
func credentialOf(r *http.Request) (presented, error) {
	header := r.Header[headerAuthorization]
	query, err := sessionParameter(r.URL.RawQuery)
	switch {
	case err != nil:
		return presented{}, err
	case len(header) > 1 || len(header) == 1 && query != "":
		return presented{}, refuse(http.StatusBadRequest, "gateway.credentials", "the request has more than one session; want one header %s, or the parameter %s", headerAuthorization, parameterSession)
	case len(header) == 0:
		return presented{query, query != ""}, nil
	}
	scheme, value, _ := strings.Cut(header[0], " ")
	if value = strings.TrimLeft(value, " "); !strings.EqualFold(scheme, "Bearer") || value == "" {
		return presented{}, fault.New(fault.Unauthorized, "gateway.credentials", "the header %s is not of the form: Bearer <session id>", headerAuthorization)
	}
	return presented{value, false}, nil
}

// sessionParameter returns the session in a query, "" where it has none.
func sessionParameter(query string) (string, error) {
	if !mayHaveSession(query) {
		return "", nil
	}
	session, found := "", false
	for pair := range strings.SplitSeq(query, "&") {
		if !isSession(pair) {
			continue
		}
		_, value, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(value)
		if err != nil || value == "" || found {
			return "", refuse(http.StatusBadRequest, "gateway.credentials", "the parameter %s is empty, unreadable or there twice", parameterSession)
		}
		session, found = value, true
	}
	return session, nil
}

// withoutSession cuts the session from a query, and leaves the rest as it is.
func withoutSession(query string) string {
	if !mayHaveSession(query) {
		return query
	}
	var rest []string
	for pair := range strings.SplitSeq(query, "&") {
		if !isSession(pair) {
			rest = append(rest, pair)
		}
	}
	return strings.Join(rest, "&")
}

// mayHaveSession saves most queries a closer look.
func mayHaveSession(query string) bool {
	return strings.Contains(query, "session") || strings.Contains(query, "%")
}

func isSession(pair string) bool {
	name, _, _ := strings.Cut(pair, "=")
	if strings.Contains(name, "%") {
		name, _ = url.QueryUnescape(name)
	}
	return name == parameterSession
}

// authenticate finds out whose request it is, and refuses one whose session or token
// is not good.
func (g *Gateway) authenticate(v *visit, c presented) (err error) {
	if c.value == "" {
		return nil
	}
	v.presented = true
	if !c.inQuery && isToken(c.value) {
		v.token = c.value
		if v.user, err = g.svc.Verifier().User(c.value); err != nil && !fault.Is(err, fault.Unauthorized) {
			err = unverified(err)
		}
		return err
	}
	v.token, v.user, err = g.sessions.open(v.r.Context(), c.value)
	return err
}

// isToken tells a token (RFC 7519 §3: with dots) from a session's id, which has none.
func isToken(s string) bool { return strings.Contains(s, ".") }

// challenge adds to a refusal what would be accepted (RFC 6750 §3).
func (v *visit) challenge(status int) {
	h := v.w.Header()
	if status != http.StatusUnauthorized || h.Get(headerChallenge) != "" {
		return
	}
	if v.presented {
		h.Set(headerChallenge, `Bearer realm="hansom", error="invalid_token", error_description="the session or token is not good, or has ended"`)
		return
	}
	h.Set(headerChallenge, `Bearer realm="hansom"`)
}
