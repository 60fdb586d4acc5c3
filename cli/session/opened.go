package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Opened is a session as login opened it. SessionID is its secret.
type Opened struct {
	SessionID string          `json:"session_id"`
	Token     string          `json:"token"`
	Expires   time.Time       `json:"expires"`
	User      json.RawMessage `json:"user"`

	user *loginpb.User
}

// NewOpened puts together what login answered.
func NewOpened(session, token string, expires time.Time, user *loginpb.User) (*Opened, error) {
	data, err := output.JSONOf(user)
	return &Opened{session, token, expires, data, user}, err
}

// Show tells whose session it is and until when, and the secret only where secret is true
// or as JSON: who has it can act as the user.
func (o *Opened) Show(f *factory.Factory, format output.Format, secret bool) error {
	if format == output.JSON {
		return output.Value(f.Out, o)
	}
	_, err := fmt.Fprintf(f.Out, "%s of %s, roles %s, until %s\n", Name(o.user), o.user.GetApplication(),
		orNone(o.user.GetRoles()), output.Moment(o.Expires))
	if err == nil && secret {
		_, err = fmt.Fprintf(f.Out, "session %s\n", o.SessionID)
	}
	return err
}

// Name is how people know a user.
func Name(u *loginpb.User) string {
	if all := u.GetIdentifiers(); len(all) > 0 {
		return output.Line(all[0])
	}
	return u.GetId()
}

func orNone(roles []string) string {
	if len(roles) == 0 {
		return "none"
	}
	return strings.Join(roles, " ")
}
