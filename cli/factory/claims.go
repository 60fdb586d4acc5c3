package factory

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// User is what a user token says.
type User struct {
	Environment string
	ID          string
	Application string
	Session     string // public id
	Device      string
	Roles       []string
	Actor       string // administrator that opened the session by authas
	Expires     time.Time
}

// Claims reads what a token says, without verifying it: for showing only.
func Claims(token string) (User, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return User{}, errors.New("read the token: it is no JWT")
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Iss, Sub, App, Sid, Dev string
		Roles                   []string
		Exp                     int64
		Act                     struct{ Sub string }
	}
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return User{}, errors.New("read the token: its claims are no JSON")
	}
	return User{c.Iss, c.Sub, c.App, c.Sid, c.Dev, c.Roles, c.Act.Sub, time.Unix(c.Exp, 0)}, nil
}
