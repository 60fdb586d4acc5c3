package factory

import (
	"context"

	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Names returns how people know the operators that ids mean, for showing. What it does not
// know, or may not ask for, it leaves as it is.
func (s *Session) Names(ctx context.Context) func(id string) string {
	names := map[string]string{}
	response, err := loginpb.NewLoginClient(s).Users(ctx, &loginpb.UsersRequest{Application: AdminUsers})
	if err == nil {
		for _, u := range response.GetUsers() {
			if all := u.GetIdentifiers(); len(all) > 0 {
				names[u.GetId()] = all[0]
			}
		}
	}
	return func(id string) string {
		if name, ok := names[id]; ok {
			return name
		}
		return id
	}
}
