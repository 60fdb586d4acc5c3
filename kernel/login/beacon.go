package login

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// The topics of login.
const (
	topicBeacon = "login.beacon"
	topicWho    = "login.who"
)

// start reads what is in the store, so that the first request finds everything there.
func (l *login) start(ctx context.Context) error {
	return l.refresh(ctx)
}

// refresh takes over what any instance wrote: keys and revocations.
func (l *login) refresh(ctx context.Context) error {
	if err := l.keys.refresh(ctx); err != nil {
		return err
	}
	if err := l.verifier.SetKeys(l.keys.set()); err != nil {
		return err
	}
	return l.catchUp(ctx)
}

// learn takes over revocations that became known, and has everybody told.
func (l *login) learn(news []revocation) {
	rules := make([]auth.Revocation, len(news))
	for i, r := range news {
		rules[i] = r.rule()
	}
	l.verifier.Revoke(rules...)
	l.verifier.RevokedUpTo(l.revoked.lastKnown())
	l.soon()
}

// soon has a beacon published without waiting for its time.
func (l *login) soon() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// shine publishes beacons until ctx ends.
func (l *login) shine(ctx context.Context) error {
	tick := time.NewTicker(l.config.Beacon)
	defer tick.Stop()
	for {
		if err := l.beacon(ctx); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "cannot publish where login is; services that start now have to wait, and revocations are late", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-tick.C:
			if err := l.refresh(ctx); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "cannot read keys and revocations; those known stay in force", "error", err)
			}
		}
	}
}

func (l *login) beacon(ctx context.Context) error {
	key, err := l.keys.current()
	if err != nil {
		return err
	}
	run, keys := l.revoked.newest(), l.keys.set()
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(run)
	if err != nil {
		return err
	}
	statement, err := key.signer.Statement(auth.Statement{
		Instance: l.svc.ID(), At: time.Now(), LastRevocation: run.GetLast(), Digest: auth.DigestOf(keys, encoded),
	})
	if err != nil {
		return err
	}
	return l.svc.PublishEvent(ctx, topicBeacon, &loginpb.Beacon{Statement: statement, Keys: keys, Revocations: run})
}

// hear looks into the store where a sibling knows more.
func (l *login) hear(ctx context.Context, e *platform.Event) error {
	var b loginpb.Beacon
	if err := proto.Unmarshal(e.Message.Body, &b); err != nil {
		return err
	}
	if b.GetRevocations().GetLast() > l.revoked.lastKnown() {
		return l.refresh(ctx)
	}
	return nil
}
