package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// user is the stored form of a user.
type user struct {
	ID          string    `json:"id"`
	Application string    `json:"application"`
	Identifiers []string  `json:"identifiers"` // normalised
	Roles       []string  `json:"roles,omitempty"`
	Disabled    bool      `json:"disabled,omitempty"`
	Deleted     bool      `json:"deleted,omitempty"` // is being deleted
	Hash        string    `json:"hash,omitempty"`    // PHC string; empty: no login by password
	History     []string  `json:"history,omitempty"` // hashes before, newest first
	Created     time.Time `json:"created"`
	PasswordSet time.Time `json:"password_set,omitzero"`
}

func (u user) message() *loginpb.User {
	m := &loginpb.User{
		Id: u.ID, Application: u.Application, Identifiers: u.Identifiers, Roles: u.Roles,
		Disabled: u.Disabled, Created: timestamppb.New(u.Created),
	}
	if !u.PasswordSet.IsZero() {
		m.PasswordSet = timestamppb.New(u.PasswordSet)
	}
	return m
}

func newUserID() string { return "u-" + uuid.Must(uuid.NewV7()).String() }

// shards is how many partitions the users of one application are spread over, so that none grows too large: by the last
// two digits of the id, which are random.
const shards = 256

func userKey(application, id string) store.Key {
	return store.Key{Partition: application + "/" + id[len(id)-2:], Clustering: id}
}

// claim says whose an identifier is. It holds if the user lists the identifier.
type claim struct {
	User string    `json:"user"`
	At   time.Time `json:"at"`
}

// claimGrace is how long a claim holds whose user is not written yet.
const claimGrace = time.Minute

func claimKey(application, identifier string) store.Key {
	return store.Key{Partition: application + "/" + identifier}
}

// userBook keeps users and their identifiers. The record of a user and those of its identifiers are in different
// partitions and so are not written in one step: identifiers are claimed before the user lists them, and given up
// after it does not list them any more.
type userBook struct {
	users       *store.Table
	identifiers *store.Table
}

var errNoUser = fault.New(fault.NotFound, "kernel.login.user", "there is no such user in this application")

// byID returns the user with an id, and the revision of its record.
func (b userBook) byID(ctx context.Context, application, id string) (user, uint64, error) {
	if !userIDShape.MatchString(id) {
		return user{}, 0, errNoUser
	}
	u, revision, found, err := get[user](ctx, b.users, userKey(application, id))
	if err == nil && (!found || u.Deleted) {
		err = errNoUser
	}
	return u, revision, err
}

// find returns the user with an id or an identifier.
func (b userBook) find(ctx context.Context, application, name string) (user, error) {
	if err := checkApplication(application); err != nil {
		return user{}, err
	}
	if userIDShape.MatchString(name) {
		u, _, err := b.byID(ctx, application, name)
		return u, err
	}
	identifier, err := normaliseIdentifier(name)
	if err != nil {
		return user{}, err
	}
	return b.byIdentifier(ctx, application, identifier)
}

// byIdentifier returns the user with a normalised identifier.
func (b userBook) byIdentifier(ctx context.Context, application, identifier string) (user, error) {
	c, _, found, err := get[claim](ctx, b.identifiers, claimKey(application, identifier))
	if err != nil {
		return user{}, err
	}
	if !found {
		return user{}, errNoUser
	}
	u, _, err := b.byID(ctx, application, c.User)
	if err == nil && !slices.Contains(u.Identifiers, identifier) {
		err = errNoUser
	}
	return u, err
}

// claim makes an identifier the user's, unless it is another's.
func (b userBook) claim(ctx context.Context, application, identifier, id string) error {
	key := claimKey(application, identifier)
	return untilSettled("claim an identifier", func() error {
		c, revision, found, err := get[claim](ctx, b.identifiers, key)
		if err != nil || found && c.User == id {
			return err
		}
		if found {
			if err := b.abandoned(ctx, application, identifier, c); err != nil {
				return err
			}
		}
		return set(ctx, b.identifiers, key, claim{id, time.Now()}, revision)
	})
}

// abandoned returns nil if a claim that is there does not hold.
func (b userBook) abandoned(ctx context.Context, application, identifier string, c claim) error {
	u, _, err := b.byID(ctx, application, c.User)
	if err != nil && !errors.Is(err, errNoUser) {
		return err
	}
	if err == nil && slices.Contains(u.Identifiers, identifier) || time.Since(c.At) < claimGrace {
		return errTaken
	}
	return nil
}

const reasonTaken = "kernel.login.identifier_taken"

var errTaken = errors.New("identifier taken")

// release gives up identifiers that are the user's.
func (b userBook) release(ctx context.Context, application, id string, identifiers []string) error {
	var errs []error
	for _, identifier := range identifiers {
		key := claimKey(application, identifier)
		c, revision, found, err := get[claim](ctx, b.identifiers, key)
		if err == nil && found && c.User == id {
			if err = b.identifiers.CompareAndDelete(ctx, key, revision); store.IsConflict(err) {
				err = nil
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// claimAll claims all identifiers or none.
func (b userBook) claimAll(ctx context.Context, u user, identifiers []string) error {
	for i, identifier := range identifiers {
		err := b.claim(ctx, u.Application, identifier, u.ID)
		if err == nil {
			continue
		}
		fresh := slices.DeleteFunc(slices.Clone(identifiers[:i]), func(s string) bool { return slices.Contains(u.Identifiers, s) })
		if undo := b.release(context.WithoutCancel(ctx), u.Application, u.ID, fresh); undo != nil {
			return errors.Join(err, undo)
		}
		if errors.Is(err, errTaken) {
			return fault.New(fault.Conflict, reasonTaken,
				"identifier %q: a user of the application %q has it already", identifier, u.Application)
		}
		return err
	}
	return nil
}

// create writes a new user.
func (b userBook) create(ctx context.Context, u user) error {
	listed := u.Identifiers
	u.Identifiers = nil
	if err := b.claimAll(ctx, u, listed); err != nil {
		return err
	}
	u.Identifiers = listed
	err := set(ctx, b.users, userKey(u.Application, u.ID), u, 0)
	if err != nil && !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.Unavailable) {
		err = errors.Join(err, b.release(ctx, u.Application, u.ID, listed))
	}
	return err
}

// change has f change the user, as often as somebody else was faster.
func (b userBook) change(ctx context.Context, application, id string, f func(*user) error) (before, after user, err error) {
	err = untilSettled("change a user", func() error {
		var revision uint64
		if before, revision, err = b.byID(ctx, application, id); err != nil {
			return err
		}
		after = before
		after.Identifiers, after.Roles = slices.Clone(before.Identifiers), slices.Clone(before.Roles)
		after.History = slices.Clone(before.History)
		if err := f(&after); err != nil {
			return err
		}
		return set(ctx, b.users, userKey(application, id), after, revision)
	})
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	return before, after, err
}

// remove deletes a user that nobody can log in as any more.
func (b userBook) remove(ctx context.Context, u user) error {
	if err := b.release(ctx, u.Application, u.ID, u.Identifiers); err != nil {
		return err
	}
	return b.users.Delete(ctx, userKey(u.Application, u.ID))
}

// list returns users of an application, and from where to go on.
func (b userBook) list(ctx context.Context, application, from string, limit int) ([]user, string, error) {
	shard, at, _ := strings.Cut(from, ".")
	first, err := parseShard(shard)
	if err != nil {
		return nil, "", err
	}
	var all []user
	for n := first; n < shards; n++ {
		page, err := b.users.Range(ctx, application+"/"+shardName(n), store.Range{Limit: limit - len(all), Continue: at})
		if err != nil {
			return nil, "", err
		}
		for _, r := range page.Records {
			u, err := decode[user](r)
			if err != nil {
				return nil, "", err
			}
			if !u.Deleted {
				all = append(all, u)
			}
		}
		if at = page.Continue; at != "" {
			return all, shardName(n) + "." + at, nil
		}
		if len(all) == limit && n+1 < shards {
			return all, shardName(n+1) + ".", nil
		}
	}
	return all, "", nil
}

func shardName(n int) string { return fmt.Sprintf("%02x", n) }

func parseShard(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 16, 8)
	if err != nil {
		return 0, fault.New(fault.BadRequest, "kernel.login.continue", "continue: it is not from an answer of this endpoint")
	}
	return int(n), nil
}
