package login

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// newUser is what a user is made from.
type newUser struct {
	application string
	identifiers []string
	password    string // empty: no login by password
	roles       []string
}

func (r *realm) createUser(ctx context.Context, n newUser) (user, error) {
	if err := checkApplication(n.application); err != nil {
		return user{}, err
	}
	identifiers, err := normaliseIdentifiers(n.identifiers)
	if err == nil {
		err = checkIdentifierCount(len(identifiers))
	}
	if err != nil {
		return user{}, err
	}
	roles, err := checkRoles(n.application, n.roles)
	if err != nil {
		return user{}, err
	}
	u := user{ID: newUserID(), Application: n.application, Identifiers: identifiers, Roles: roles, Created: time.Now().UTC()}
	if n.password != "" {
		if err := r.setPassword(ctx, &u, n.password); err != nil {
			return user{}, err
		}
	}
	return u, r.users.create(ctx, u)
}

// CreateUser implements loginpb.LoginServer.
func (l *login) CreateUser(ctx context.Context, r *loginpb.CreateUserRequest) (*loginpb.CreateUserResponse, error) {
	var u user
	err := mayGrant(ctx, r.GetRoles())
	if err == nil {
		u, err = l.createUser(ctx, newUser{r.GetApplication(), r.GetIdentifiers(), r.GetPassword(), r.GetRoles()})
	}
	e := entry{Action: "user.create", Subject: u.ID, Detail: map[string]string{
		"application": clip(r.GetApplication()), "identifiers": clip(strings.Join(r.GetIdentifiers(), " ")), "roles": clip(strings.Join(r.GetRoles(), " ")),
	}}
	if err := l.audited(ctx, e, err); err != nil {
		return nil, err
	}
	return &loginpb.CreateUserResponse{User: u.message()}, nil
}

// mayGrant keeps whoever is no administrator from making one, and from changing one: who sets an administrator's password is one. So
// a service that was granted the endpoint gains no more by it. Services of the kernel are administrators.
func mayGrant(ctx context.Context, roles []string) error {
	if !isAdmin(roles) || callerIsAdmin(ctx) {
		return nil
	}
	return fault.New(fault.Forbidden, "kernel.login.role.admin", "only an administrator may make or change another one")
}

// update is what is to be changed of a user.
type update struct {
	roles       []string
	setRoles    bool
	password    string
	add, remove []string // normalised identifiers
	setDisabled bool
	disabled    bool
}

func readUpdate(r *loginpb.UpdateUserRequest) (update, error) {
	c := update{setRoles: r.GetSetRoles(), password: r.GetPassword(), setDisabled: r.GetSetDisabled(), disabled: r.GetDisabled()}
	var errs [3]error
	c.add, errs[0] = normaliseIdentifiers(r.GetAddIdentifiers())
	c.remove, errs[1] = normaliseIdentifiers(r.GetRemoveIdentifiers())
	if c.setRoles {
		c.roles, errs[2] = checkRoles(r.GetApplication(), r.GetRoles())
	}
	return c, errors.Join(errs[:]...)
}

// words says for an audit record what is changed.
func (c update) words() map[string]string {
	m := map[string]string{}
	if c.setRoles {
		m["roles"] = strings.Join(c.roles, " ")
	}
	if c.password != "" {
		m["password"] = "set"
	}
	if len(c.add) > 0 {
		m["add"] = clip(strings.Join(c.add, " "))
	}
	if len(c.remove) > 0 {
		m["remove"] = clip(strings.Join(c.remove, " "))
	}
	if c.setDisabled {
		m["disabled"] = map[bool]string{true: "yes", false: "no"}[c.disabled]
	}
	return m
}

// updateUser changes a user and ends the sessions that could do more than the user may now.
func (r *realm) updateUser(ctx context.Context, u user, c update) (user, error) {
	setPassword := func(*user) error { return nil }
	if c.password != "" {
		var err error
		with := u
		with.Identifiers = append(slices.Clone(u.Identifiers), c.add...)
		if setPassword, err = r.newPassword(ctx, with, c.password); err != nil {
			return u, err
		}
	}
	if err := r.users.claimAll(ctx, u, c.add); err != nil {
		return u, err
	}
	before, after, err := r.users.change(ctx, u.Application, u.ID, func(now *user) error {
		if err := setPassword(now); err != nil {
			return err
		}
		return c.apply(now)
	})
	if err != nil {
		return u, errors.Join(err, r.users.release(ctx, u.Application, u.ID, without(c.add, u.Identifiers)))
	}
	if err := r.users.release(ctx, u.Application, u.ID, without(before.Identifiers, after.Identifiers)); err != nil {
		return after, err
	}
	all := before.Hash != after.Hash || after.Disabled
	_, err = r.endThose(ctx, u.Application, u.ID, func(s session) bool {
		return all || loses(s.Token.Roles, after.Roles) // by its token, so that repeating a change that was cut short ends them too
	})
	return after, err
}

// without returns those of all that are not among others.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(others, s) })
}

func (c update) apply(u *user) error {
	if c.setRoles {
		u.Roles = c.roles
	}
	if c.setDisabled {
		u.Disabled = c.disabled
	}
	u.Identifiers = append(without(u.Identifiers, c.remove), without(c.add, u.Identifiers)...)
	return checkIdentifierCount(len(u.Identifiers))
}

// UpdateUser implements loginpb.LoginServer.
func (l *login) UpdateUser(ctx context.Context, r *loginpb.UpdateUserRequest) (*loginpb.UpdateUserResponse, error) {
	c, err := readUpdate(r)
	var u user
	if err == nil {
		u, err = l.users.find(ctx, r.GetApplication(), r.GetUser())
	}
	id := u.ID
	if err == nil {
		err = errors.Join(mayGrant(ctx, slices.Concat(c.roles, u.Roles)), notSelf(ctx, u, c.setRoles && !isAdmin(c.roles) || c.setDisabled && c.disabled))
	}
	if err == nil {
		u, err = l.updateUser(ctx, u, c)
	}
	if err := l.audited(ctx, entry{Action: "user.update", Subject: cmp.Or(id, clip(r.GetUser())), Detail: c.words()}, err); err != nil {
		return nil, err
	}
	return &loginpb.UpdateUserResponse{User: u.message()}, nil
}

// notSelf keeps administrators from taking away their own rights, and with them perhaps the last ones.
func notSelf(ctx context.Context, u user, takesAway bool) error {
	if me, ok := platform.UserOf(ctx); ok && takesAway && me.ID == u.ID {
		return fault.New(fault.Forbidden, "kernel.login.self", "nobody takes away their own rights: let another administrator do it, so that one is left")
	}
	return nil
}

// deleteUser makes sure that the user can do nothing any more before anything is
// removed, so that it can be tried again wherever it fails.
func (r *realm) deleteUser(ctx context.Context, u user) error {
	_, u, err := r.users.change(ctx, u.Application, u.ID, func(now *user) error {
		now.Disabled = true
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := r.endAll(ctx, u.Application, u.ID, ""); err != nil {
		return err
	}
	return r.users.remove(ctx, u)
}

// DeleteUser implements loginpb.LoginServer. Deleting nobody is no error.
func (l *login) DeleteUser(ctx context.Context, r *loginpb.DeleteUserRequest) (*loginpb.DeleteUserResponse, error) {
	u, err := l.users.find(ctx, r.GetApplication(), r.GetUser())
	if errors.Is(err, errNoUser) {
		return &loginpb.DeleteUserResponse{}, nil
	}
	if err == nil {
		err = errors.Join(mayGrant(ctx, u.Roles), notSelf(ctx, u, true))
	}
	if err == nil {
		err = l.deleteUser(ctx, u)
	}
	e := entry{Action: "user.delete", Subject: cmp.Or(u.ID, clip(r.GetUser())), Detail: map[string]string{
		"application": clip(r.GetApplication()), "identifiers": clip(strings.Join(u.Identifiers, " ")),
	}}
	if err := l.audited(ctx, e, err); err != nil {
		return nil, err
	}
	return &loginpb.DeleteUserResponse{}, nil
}

// Users implements loginpb.LoginServer.
func (l *login) Users(ctx context.Context, r *loginpb.UsersRequest) (*loginpb.UsersResponse, error) {
	if err := checkApplication(r.GetApplication()); err != nil {
		return nil, err
	}
	if name := r.GetUser(); name != "" {
		u, err := l.users.find(ctx, r.GetApplication(), name)
		if err != nil {
			return nil, err
		}
		return &loginpb.UsersResponse{Users: []*loginpb.User{u.message()}}, nil
	}
	all, next, err := l.users.list(ctx, r.GetApplication(), r.GetContinue(), pageSize(r.GetLimit()))
	if err != nil {
		return nil, err
	}
	response := &loginpb.UsersResponse{Continue: next}
	for _, u := range all {
		response.Users = append(response.Users, u.message())
	}
	return response, nil
}

// pageSize is how many to list where so many are asked for.
func pageSize(asked uint32) int {
	return int(min(cmp.Or(asked, 100), 1000))
}
