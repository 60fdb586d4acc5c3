package sim

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	pathLogin  = "/v1/driver/login"
	pathLogout = "/v1/driver/logout"
)

// account is the user that a fleet logs in as, and its session. All taxis share
// it: one logs in, the others wait.
type account struct {
	login login

	turn    chan struct{} // held by who logs in
	mu      sync.Mutex
	current string
	refused error     // by the last login
	until   time.Time // it is not tried again before
}

// login is the body of POST /v1/driver/login.
type login struct {
	Identifier  string `json:"identifier"`
	Password    string `json:"password"`
	DeviceType  string `json:"device_type"`
	KnownDevice string `json:"known_device"`
}

// maxDeviceType is that of the API.
const maxDeviceType = 32

func newAccount(identifier, password, device string) *account {
	device = strings.ToLower(device)
	return &account{
		login: login{Identifier: identifier, Password: password, DeviceType: device[:min(len(device), maxDeviceType)]},
		turn:  make(chan struct{}, 1),
	}
}

// pauseAfterLogin keeps taxis that come one after another from trying a login
// each that has just failed.
const pauseAfterLogin = 2 * time.Second

// session returns the session, and opens one where there is none.
func (a *account) session(ctx context.Context, p phone) (string, error) {
	if session, err := a.known(); session != "" || err != nil {
		return session, err
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if session, err := a.known(); session != "" || err != nil {
		return session, err
	}
	var opened struct {
		Session     string `json:"session_id"`
		KnownDevice string `json:"known_device"`
	}
	err := p.sendAs(ctx, "", http.MethodPost, pathLogin, a.login, &opened)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused = err; err != nil {
		a.until = time.Now().Add(pauseAfterLogin)
		return "", err
	}
	a.current, a.login.KnownDevice = opened.Session, opened.KnownDevice
	return a.current, nil
}

func (a *account) known() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == "" && a.refused != nil && time.Now().Before(a.until) {
		return "", a.refused
	}
	return a.current, nil
}

// ended forgets a session, unless there is a newer one.
func (a *account) ended(session string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == session {
		a.current = ""
	}
}

// logout ends the session. When that fails it expires by itself.
func (p phone) logout(ctx context.Context) {
	if p.account == nil {
		return
	}
	if session, _ := p.account.known(); session != "" {
		_ = p.sendAs(ctx, session, http.MethodPost, pathLogout, nil, nil)
	}
}
