package login

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// session is the stored form of a session. What its token says is stored, not the
// token: signing that again gives the same one.
type session struct {
	ID          string    `json:"id"` // public
	Digest      string    `json:"digest"`
	Application string    `json:"application"`
	User        string    `json:"user"`
	Device      string    `json:"device"`
	Source      string    `json:"source,omitempty"`
	Actor       string    `json:"actor,omitempty"`
	Created     time.Time `json:"created"`
	Renewed     time.Time `json:"renewed,omitzero"`
	Expires     time.Time `json:"expires"`
	Ends        time.Time `json:"ends"` // at the latest, however often it is renewed
	Final       bool      `json:"final,omitempty"`
	Token       claims    `json:"token"`
}

// claims is what makes the present token of a session.
type claims struct {
	Key     string    `json:"key"` // that signs it
	Roles   []string  `json:"roles,omitempty"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
}

func (s session) user() *auth.User {
	return &auth.User{
		ID: s.User, Application: s.Application, Session: s.ID, Device: s.Device, Actor: s.Actor,
		Roles: s.Token.Roles, Issued: s.Token.Issued, Expires: s.Token.Expires,
	}
}

func (s session) alive() bool { return time.Now().Before(s.Expires) }

// renewAfter is when the session's next token can be had; zero: never.
func (s session) renewAfter() time.Time {
	if s.Final || !s.Token.Expires.Before(s.Ends) {
		return time.Time{}
	}
	life := s.Token.Expires.Sub(s.Token.Issued)
	return s.Token.Expires.Add(-min(renewWithin, life/2))
}

func (s session) message() *loginpb.Session {
	m := &loginpb.Session{
		Id: s.ID, Application: s.Application, User: s.User, DeviceType: s.Device, Source: s.Source, Actor: s.Actor,
		Created: timestamppb.New(s.Created), Expires: timestamppb.New(s.Expires),
	}
	if !s.Renewed.IsZero() {
		m.Renewed = timestamppb.New(s.Renewed)
	}
	return m
}

// maxOpen is how many sessions one user may have at once.
const maxOpen = 20

// place is where a session is found.
type place struct {
	Application string `json:"application"`
	User        string `json:"user"`
	Slot        string `json:"slot"`
}

func (p place) key() store.Key {
	return store.Key{Partition: p.Application + "/" + p.User, Clustering: p.Slot}
}

// place of a session among those of its user. There is one for each type of device, so that there can be no two such sessions; and
// one for each administrator that acts as the user.
func (s session) place() place {
	slot := "device/" + s.Device
	if s.Actor != "" {
		slot = "authas/" + s.Actor
	}
	return place{s.Application, s.User, slot}
}

// sessionBook keeps sessions by user, and for each two pointers: by the hash of its secret and by its public id. A
// pointer may lead to another session, or to none; the record counts.
type sessionBook struct {
	sessions *store.Table
	pointers *store.Table
}

func secretPointer(digest string) store.Key { return store.Key{Partition: "secret/" + digest} }
func publicPointer(id string) store.Key     { return store.Key{Partition: "public/" + id} }

func ttl(until time.Time) store.WriteOption {
	return store.TTL(max(time.Until(until), store.MinTTL))
}

var errNoSession = fault.New(fault.Unauthorized, "kernel.login.session", "there is no such session, or it has ended: log in again")

// follow returns the live session that a pointer leads to.
func (b sessionBook) follow(ctx context.Context, pointer store.Key, same func(session) bool) (session, uint64, error) {
	p, _, found, err := get[place](ctx, b.pointers, pointer)
	if err != nil {
		return session{}, 0, err
	}
	if !found {
		return session{}, 0, errNoSession
	}
	s, revision, found, err := get[session](ctx, b.sessions, p.key())
	if err == nil && (!found || !same(s) || !s.alive()) {
		err = errNoSession
	}
	return s, revision, err
}

func (b sessionBook) bySecret(ctx context.Context, secret string) (session, uint64, error) {
	digest, ok := secretDigest(secret)
	if !ok {
		return session{}, 0, errNoSession
	}
	return b.follow(ctx, secretPointer(digest), func(s session) bool { return s.Digest == digest })
}

func (b sessionBook) byPublicID(ctx context.Context, id string) (session, error) {
	if len(id) > maxSource {
		return session{}, errNoSession
	}
	s, _, err := b.follow(ctx, publicPointer(id), func(s session) bool { return s.ID == id })
	return s, err
}

// point writes the pointers of a session. They live as long as it may be renewed.
func (b sessionBook) point(ctx context.Context, s session) error {
	p := encode(s.place())
	if _, err := b.pointers.Put(ctx, secretPointer(s.Digest), p, ttl(s.Ends)); err != nil {
		return err
	}
	_, err := b.pointers.Put(ctx, publicPointer(s.ID), p, ttl(s.Ends))
	return err
}

func (b sessionBook) unpoint(ctx context.Context, s session) error {
	if err := b.pointers.Delete(ctx, secretPointer(s.Digest)); err != nil {
		return err
	}
	return b.pointers.Delete(ctx, publicPointer(s.ID))
}

// of returns the live sessions of a user, the oldest first.
func (b sessionBook) of(ctx context.Context, application, userID string) ([]session, error) {
	var all []session
	for r, err := range b.sessions.All(ctx, place{Application: application, User: userID}.key().Partition, store.Range{}) {
		if err != nil {
			return nil, err
		}
		s, err := decode[session](r)
		if err != nil {
			return nil, err
		}
		if s.alive() {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b session) int { return a.Created.Compare(b.Created) })
	return all, nil
}
