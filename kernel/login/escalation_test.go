package login_test

import (
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

func TestAGrantToChangeUsersIsNoneToBecomeAdministrator(t *testing.T) {
	inEnvironment(t, func(t *testing.T, e *environment) {
		e.customer("ada@example.com")
		for _, endpoint := range []string{"updateuser", "deleteuser"} {
			grant := &loginpb.SetGrantRequest{Service: "kernel.login", Endpoint: endpoint, Caller: "core.profile"}
			if _, err := e.client.SetGrant(e.root(), grant); err != nil {
				t.Fatal(err)
			}
		}
		svc := platform.New("core.profile", platform.Credential(e.enrol("core.profile", false)), platform.Logger(e.Logger()), platform.Place(platformtest.Local))
		e.Start(svc)
		profile := loginpb.NewLoginClient(svc)
		_, err := profile.UpdateUser(t.Context(), &loginpb.UpdateUserRequest{Application: "customer", User: "ada@example.com", Password: "another long password"})
		if err != nil {
			t.Errorf("a granted service sets a customer's password: %v", err)
		}
		admin := e.admin.User.GetId()
		_, err = profile.UpdateUser(t.Context(), &loginpb.UpdateUserRequest{Application: "admin", User: admin, Password: "another long password"})
		wantCode(t, "a granted service sets an administrator's password", err, fault.Forbidden)
		_, err = profile.DeleteUser(t.Context(), &loginpb.DeleteUserRequest{Application: "admin", User: admin})
		wantCode(t, "a granted service deletes an administrator", err, fault.Forbidden)
	})
}
