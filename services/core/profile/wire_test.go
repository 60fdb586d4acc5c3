package profile

import (
	"testing"
	"testing/synctest"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
)

func start(env *platformtest.Env) *platform.Service {
	env.Grant("core.profile", "core.profile", "dump")
	s := Service(platform.Logger(env.Logger()))
	env.Start(s)
	return s
}

// wantName asks one instance for the driver d1.
func wantName(t *testing.T, env *platformtest.Env, instance *platform.Service, want string) {
	t.Helper()
	ctx := platform.To(t.Context(), instance.ID())
	response, err := profilepb.NewProfileClient(env.Client()).Read(ctx, &profilepb.ReadRequest{Ids: []string{"d1"}})
	if err != nil || len(response.GetDrivers()) != 1 || response.Drivers[0].Name != want {
		t.Errorf("Read(d1) at %s: want %s, got %v, %v", instance.ID(), want, response.GetDrivers(), err)
	}
}

func write(t *testing.T, env *platformtest.Env, name string) {
	t.Helper()
	d := ada
	d.Name = name
	if _, err := profilepb.NewProfileClient(env.Client()).Write(t.Context(), &profilepb.WriteRequest{Driver: message(d)}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestEveryInstanceLearnsOfAWrite(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		one, two := start(env), start(env)
		write(t, env, "Ada Byron")
		write(t, env, "Ada Lovelace")
		wantName(t, env, one, "Ada Lovelace")
		wantName(t, env, two, "Ada Lovelace")
	})
}

func TestProfilesOutliveTheInstanceThatTookThem(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		one := start(env)
		write(t, env, "Ada Byron")
		two := start(env)
		env.Stop(one)
		wantName(t, env, two, "Ada Byron")
	})
}
