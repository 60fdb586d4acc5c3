package login

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// Lifetimes of credentials.
const (
	credentialLife    = 365 * 24 * time.Hour
	minCredentialLife = time.Minute
	maxCredentialLife = 10 * credentialLife
)

// Enrol implements loginpb.LoginServer.
func (l *login) Enrol(ctx context.Context, r *loginpb.EnrolRequest) (*loginpb.EnrolResponse, error) {
	life := credentialLife
	if r.GetValidFor() != nil {
		life = r.GetValidFor().AsDuration()
	}
	credential, err := l.enrol(ctx, r.GetService(), life, r.GetRevokeEarlier())
	e := entry{Action: "enrol", Subject: clip(r.GetService()), Detail: map[string]string{"valid_for": life.String()}}
	if r.GetRevokeEarlier() {
		e.Detail["earlier"] = "revoked"
	}
	if err := l.audited(ctx, e, err); err != nil {
		return nil, err
	}
	return &loginpb.EnrolResponse{Credential: credential}, nil
}

func (r *realm) enrol(ctx context.Context, service string, life time.Duration, revokeEarlier bool) ([]byte, error) {
	if err := checkService("service", service); err != nil {
		return nil, err
	}
	if life < minCredentialLife || life > maxCredentialLife {
		return nil, fault.New(fault.BadRequest, "kernel.login.enrol.valid_for", "enrol %s for %v: want from %v to %v", service, life, minCredentialLife, maxCredentialLife)
	}
	if revokeEarlier {
		if err := r.revokeService(ctx, service); err != nil {
			return nil, err
		}
	}
	c, err := r.root.Enrol(service, life)
	if err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// enrolment is the stored form of what is known of a service's credentials.
type enrolment struct {
	Since time.Time `json:"since"` // certificates from before are not accepted
}

func enrolmentKey(service string) store.Key { return store.Key{Partition: service} }

// revokeService has the credentials of a service refused that exist now, and what
// they were exchanged for.
func (r *realm) revokeService(ctx context.Context, service string) error {
	now := time.Now().Truncate(time.Microsecond) // as certificates tell the time
	if _, err := r.services.Put(ctx, enrolmentKey(service), encode(enrolment{now})); err != nil {
		return err
	}
	return r.revokeIssued(ctx, service, "")
}

// checkEnrolment refuses an assertion, which is verified, if its certificate is revoked.
func (r *realm) checkEnrolment(ctx context.Context, service, assertion string) error {
	e, _, found, err := get[enrolment](ctx, r.services, enrolmentKey(service))
	if err != nil || !found {
		return err
	}
	made, err := certified(assertion)
	if err != nil {
		return fault.Wrap(err, fault.Unauthorized, "kernel.login.identify.certificate", "identify: the certificate has no date")
	}
	if made.Before(e.Since) {
		return fault.New(fault.Unauthorized, "kernel.login.identify.revoked",
			"identify: the credential of %s was made %s and is revoked; give the instance the new one", service, made.UTC().Format(time.RFC3339))
	}
	return nil
}

// certified returns when the certificate in a verified assertion was made.
func certified(assertion string) (time.Time, error) {
	var header struct {
		Certificate string `json:"cert"`
	}
	if err := part(assertion, 0, &header); err != nil {
		return time.Time{}, err
	}
	var claims struct {
		Issued float64 `json:"iat"`
	}
	err := part(header.Certificate, 1, &claims)
	return time.UnixMicro(int64(claims.Issued*1e6 + 0.5)), err
}

// part decodes one part of a token.
func part(token string, n int, v any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("a token of %d parts", len(parts))
	}
	text, err := b64.DecodeString(parts[n])
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
