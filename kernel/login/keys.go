package login

import (
	"context"
	"time"

	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Keys implements loginpb.LoginServer.
func (l *login) Keys(context.Context, *loginpb.KeysRequest) (*loginpb.KeysResponse, error) {
	return &loginpb.KeysResponse{Keys: l.keys.set(), Jwks: l.verifier.JWKS()}, nil
}

// RotateKey implements loginpb.LoginServer.
func (l *login) RotateKey(ctx context.Context, _ *loginpb.RotateKeyRequest) (*loginpb.RotateKeyResponse, error) {
	made, err := l.keys.rotate(ctx)
	if err == nil {
		err = l.verifier.SetKeys(l.keys.set())
		l.soon()
	}
	if err := l.audited(ctx, entry{Action: "key.rotate", Subject: made.ID}, err); err != nil {
		return nil, err
	}
	return &loginpb.RotateKeyResponse{Kid: made.ID}, nil
}

// Revocations implements loginpb.LoginServer.
func (l *login) Revocations(ctx context.Context, r *loginpb.RevocationsRequest) (*loginpb.RevocationsResponse, error) {
	if r.GetSince() > l.revoked.lastKnown() {
		if err := l.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	return &loginpb.RevocationsResponse{Revocations: l.revoked.since(r.GetSince(), maxRun)}, nil
}

// Audit implements loginpb.LoginServer.
func (l *login) Audit(ctx context.Context, r *loginpb.AuditRequest) (*loginpb.AuditResponse, error) {
	before := time.Now().Add(skew)
	if r.GetBefore() != nil {
		if err := r.GetBefore().CheckValid(); err != nil {
			return nil, fault.New(fault.BadRequest, "kernel.login.audit.before", "audit: before: %v", err)
		}
		before = r.GetBefore().AsTime()
	}
	all, more, err := l.audit.list(ctx, before, r.GetSubject(), pageSize(r.GetLimit()))
	if err != nil {
		return nil, err
	}
	response := &loginpb.AuditResponse{More: more}
	for _, e := range all {
		response.Records = append(response.Records, e.message())
	}
	return response, nil
}
