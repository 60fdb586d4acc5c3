package login

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// ownSession returns the public id of the session that a request carries, if it is of this user.
func ownSession(ctx context.Context, userID string) string {
	if me, ok := platform.UserOf(ctx); ok && me.ID == userID {
		return me.Session
	}
	return ""
}

// mayManage lets everybody manage their own sessions, and administrators those of all.
func mayManage(ctx context.Context, userID string) error {
	if me, ok := platform.UserOf(ctx); ok && me.ID == userID || callerIsAdmin(ctx) {
		return nil
	}
	return fault.New(fault.Forbidden, "kernel.login.sessions", "these are somebody else's sessions")
}

// EndSessions implements loginpb.LoginServer. Ending what has ended is no error.
func (l *login) EndSessions(ctx context.Context, r *loginpb.EndSessionsRequest) (*loginpb.EndSessionsResponse, error) {
	if err := checkText("reason", r.GetReason(), maxReason); err != nil {
		return nil, err
	}
	subject, ended, err := l.endSessions(ctx, r)
	if err == nil && ended == 0 || errors.Is(err, errNoSession) {
		return &loginpb.EndSessionsResponse{}, nil
	}
	e := entry{Action: "session.end", Subject: subject, Detail: map[string]string{}}
	if actor(ctx) == "" || r.GetSessionId() != "" {
		e.Actor = subject // the secret is the proof
	}
	if r.GetReason() != "" {
		e.Detail["reason"] = r.GetReason()
	}
	if r.GetSession() != "" {
		e.Detail["session"] = clip(r.GetSession())
	}
	if err := l.audited(ctx, e, err); err != nil {
		return nil, err
	}
	return &loginpb.EndSessionsResponse{Ended: ended}, nil
}

func (l *login) endSessions(ctx context.Context, r *loginpb.EndSessionsRequest) (subject string, ended uint32, err error) {
	switch {
	case r.GetSessionId() != "":
		s, _, err := l.sessions.bySecret(ctx, r.GetSessionId())
		return l.endOne(ctx, s, err)
	case r.GetSession() != "":
		s, err := l.sessions.byPublicID(ctx, r.GetSession())
		if err == nil {
			err = mayManage(ctx, s.User)
		}
		return l.endOne(ctx, s, err)
	}
	application, id, err := l.whose(ctx, r.GetApplication(), r.GetUser())
	if err != nil {
		return clip(r.GetUser()), 0, err
	}
	ended, err = l.endAll(ctx, application, id, "")
	return id, ended, err
}

func (l *login) endOne(ctx context.Context, s session, err error) (string, uint32, error) {
	if err == nil {
		err = l.end(ctx, s)
	}
	if err != nil {
		return s.User, 0, err
	}
	return s.User, 1, nil
}

// whose returns the user that is named, or the caller where nobody is, if the caller may manage that user's sessions.
func (l *login) whose(ctx context.Context, application, name string) (string, string, error) {
	me, ok := platform.UserOf(ctx)
	switch {
	case name == "" && ok:
		return me.Application, me.ID, nil
	case name == "":
		return "", "", fault.New(fault.BadRequest, "kernel.login.sessions.whose", "name a session, or a user with the application")
	case ok && me.ID == name:
		return me.Application, me.ID, nil
	}
	if err := mayManage(ctx, ""); err != nil {
		if !ok {
			return "", "", err
		}
		u, found := l.users.find(ctx, application, name)
		if found != nil || u.ID != me.ID { // the same answer whether there is such a user or not
			return "", "", err
		}
	}
	u, err := l.users.find(ctx, application, name)
	return u.Application, u.ID, err
}

// Sessions implements loginpb.LoginServer.
func (l *login) Sessions(ctx context.Context, r *loginpb.SessionsRequest) (*loginpb.SessionsResponse, error) {
	application, id, err := l.whose(ctx, r.GetApplication(), r.GetUser())
	if err != nil {
		return nil, err
	}
	all, err := l.sessions.of(ctx, application, id)
	if err != nil {
		return nil, err
	}
	response := &loginpb.SessionsResponse{}
	for _, s := range all {
		response.Sessions = append(response.Sessions, s.message())
	}
	return response, nil
}

// AuthAs implements loginpb.LoginServer.
func (l *login) AuthAs(ctx context.Context, r *loginpb.AuthAsRequest) (*loginpb.AuthAsResponse, error) {
	u, o, err := l.authAs(ctx, r)
	e := entry{Action: "authas", Subject: cmp.Or(u.ID, clip(r.GetUser())), Detail: map[string]string{
		"application": clip(r.GetApplication()), "reason": clip(r.GetReason()),
	}}
	if err == nil {
		e.Detail["session"] = o.ID
	}
	if err := l.audited(ctx, e, err); err != nil {
		return nil, err
	}
	return &loginpb.AuthAsResponse{
		SessionId: o.secret, Token: o.token, Expires: timestamppb.New(o.Token.Expires), User: u.message(),
	}, nil
}

func (l *login) authAs(ctx context.Context, r *loginpb.AuthAsRequest) (user, opened, error) {
	refuse := func(code fault.Code, reason, why string) (user, opened, error) {
		return user{}, opened{}, fault.New(code, "kernel.login.authas."+reason, "act as a user: %s", why)
	}
	me, ok := platform.UserOf(ctx)
	switch {
	case !ok || !me.Has(platform.RoleAdmin) || me.Actor != "":
		return refuse(fault.Forbidden, "actor", "only an administrator who is logged in may")
	case strings.TrimSpace(r.GetReason()) == "":
		return refuse(fault.BadRequest, "reason", "say why: the reason goes into the audit log")
	}
	if err := checkText("reason", r.GetReason(), maxReason); err != nil {
		return user{}, opened{}, err
	}
	u, err := l.users.find(ctx, r.GetApplication(), r.GetUser())
	switch {
	case err != nil:
		return user{}, opened{}, err
	case isAdmin(u.Roles):
		return refuse(fault.Forbidden, "admin", "not as another administrator: what they do must be theirs")
	case u.Disabled:
		return refuse(fault.Forbidden, "disabled", "the user is disabled")
	}
	o, err := l.open(ctx, u, "authas", "", me.ID)
	return u, o, err
}
