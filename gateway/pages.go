package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// checkTime is how long the bus may take to say that it is there.
const checkTime = time.Second

// page returns what answers a path that is the gateway's own, also when the gateway
// is full, or nil.
func (g *Gateway) page(path string) func(*visit) error {
	switch path {
	case "/":
		return g.home
	case "/status":
		return g.status
	case "/version":
		return g.version
	case "/.well-known/jwks.json":
		return g.jwks
	}
	return nil
}

func (g *Gateway) show(v *visit, page func(*visit) error) error {
	v.endpoint, v.quiet = v.r.URL.Path, true
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return v.wrongMethod("GET, HEAD")
	}
	return page(v)
}

const homeText = `This is the thin API of a Hansom platform.

/v1/<who>/<endpoint>     goes to the endpoint of the service api.v1.<who>
POST /rpc                calls any service: {"service": "", "endpoint": "", "request": {}}
/status                  200 while this gateway can serve, 503 otherwise
/version                 the version that runs here
/.well-known/jwks.json   the public keys that tokens are verified with

Send a session as "Authorization: Bearer <session id>". POST /v1/<who>/login opens one.

Every answer carries X-Request-Id; "hansom why <id>" shows the way that the request took.
`

func (g *Gateway) home(v *visit) error {
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.answer(http.StatusOK, []byte(homeText))
	return nil
}

// status is for load balancers.
func (g *Gateway) status(v *visit) error {
	if g.draining.Load() {
		return fault.New(fault.Unavailable, "gateway.draining", "this gateway is stopping")
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), checkTime)
	defer cancel()
	b := g.svc.Bus()
	if b == nil {
		return fault.New(fault.Unavailable, "gateway.no_bus", "this gateway is not connected to the bus yet")
	}
	if err := b.Check(ctx); err != nil {
		return fault.Wrap(err, fault.Unavailable, "gateway.no_bus", "this gateway is not connected to the bus")
	}
	return v.json(struct {
		Status   string `json:"status"`
		Instance string `json:"instance"`
		Region   string `json:"region"`
		Zone     string `json:"zone"`
	}{"ok", g.svc.ID(), g.svc.Zone().Region, g.svc.Zone().Zone})
}

func (g *Gateway) version(v *visit) error {
	return v.json(struct {
		Service string `json:"service"`
		Version string `json:"version"`
	}{Name, g.svc.Version()})
}

// keysFresh is how long others may keep the keys. A new key signs nothing that is
// older than itself, so who meets an unknown one asks again.
const keysFresh = "public, max-age=300"

// jwks shows the public keys of tokens (RFC 7517), for those who verify them without a
// bus.
func (g *Gateway) jwks(v *visit) error {
	verifier := g.svc.Verifier()
	if !verifier.HasKeys() {
		return fault.New(fault.Unavailable, "gateway.no_keys", "this gateway has not heard the keys from kernel.login yet")
	}
	keys := verifier.JWKS()
	sum := sha256.Sum256(keys)
	h := v.w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", keysFresh)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h.Set("ETag", tag)
	if v.r.Header.Get("If-None-Match") == tag {
		v.answer(http.StatusNotModified, nil)
		return nil
	}
	v.answer(http.StatusOK, keys)
	return nil
}

func (v *visit) json(document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", typeJSON)
	v.w.Header().Set("Cache-Control", "no-store")
	v.answer(http.StatusOK, append(body, '\n'))
	return nil
}
