package factory

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Proof is what the calls of s carry; it is empty where nothing says who the command
// line is.
func (s *Session) Proof(ctx context.Context) (Proof, error) { return s.prover.prove(ctx) }

// Known returns the credentials that admin.json of the data folder has for a user of an
// application; an empty identifier means its first administrator or its demo
// user. The password is empty where it is not known.
func (s *Session) Known(application, identifier string) Credentials {
	c := Credentials{Application: application, Identifier: identifier}
	admin := s.prover.admin
	if application == AdminUsers {
		if identifier == "" || identifier == admin.User {
			c.Identifier, c.Password = admin.User, admin.Password
		}
		return c
	}
	for name, u := range admin.Demo {
		if identifier == "" && name == application || identifier != "" && identifier == u.Identifier {
			c.Identifier, c.Password = u.Identifier, u.Password
		}
	}
	return c
}

// LogIn opens a session. That of an operator is kept for the commands to come.
func (s *Session) LogIn(ctx context.Context, c Credentials) (response *loginpb.AuthenticateResponse, err error) {
	var failed error
	err = s.prover.f.changeSaves(func(all *saves) error {
		if response, failed = s.prover.authenticate(ctx, all, c); failed != nil {
			return failed
		}
		if c.Application == AdminUsers {
			s.prover.keep(all, c.Identifier, response)
		}
		return nil
	})
	if failed != nil {
		return nil, failed
	}
	return response, err
}

// LogOut ends the session that the commands use, or all of its user. It returns whose it was.
func (s *Session) LogOut(ctx context.Context, all bool) (Proof, uint32, error) {
	proof, err := s.prover.prove(ctx)
	if err != nil {
		return proof, 0, err
	}
	if proof.Session == "" {
		return proof, 0, errors.New("nobody is logged in here")
	}
	request := &loginpb.EndSessionsRequest{SessionId: proof.Session, Reason: "hansom logout"}
	if all {
		who, err := Claims(proof.Token)
		if err != nil {
			return proof, 0, err
		}
		request = &loginpb.EndSessionsRequest{Application: who.Application, User: who.ID, Reason: "hansom logout --all"}
	}
	response, err := loginpb.NewLoginClient(s).EndSessions(ctx, request)
	if err != nil {
		return proof, 0, err
	}
	return proof, response.GetEnded(), s.prover.f.changeSaves(func(saved *saves) error {
		if saved.Sessions[s.prover.platform].Session == proof.Session {
			delete(saved.Sessions, s.prover.platform)
		}
		return nil
	})
}

// BindApplication adds the flag that says whose users are meant.
func BindApplication(cmd *cobra.Command, application *string) {
	cmd.Flags().StringVarP(application, "application", "a", AdminUsers, "`application` whose users are meant: admin, customer, driver or your own")
	_ = cmd.RegisterFlagCompletionFunc("application", cobra.FixedCompletions(
		[]cobra.Completion{AdminUsers, "customer", "driver"}, cobra.ShellCompDirectiveNoFileComp))
}
