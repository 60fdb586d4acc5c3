package processes_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/proto/rpc"
)

// drillFolder names the folder of a drill to this program when it is an instance of the drill's target.
const drillFolder = "HANSOM_DRILL_FOLDER"

// The target of drills takes calls that may be repeated and calls that may not, each with an id.
const target = "core.drill"

var (
	read  = targetEndpoint("read", true)
	write = targetEndpoint("write", false)
)

func targetEndpoint(name string, idempotent bool) *rpc.Endpoint {
	text := func() proto.Message { return new(wrapperspb.StringValue) }
	return &rpc.Endpoint{
		Service: target, Name: name, Roles: []string{platform.RoleService},
		Mean: 2 * time.Millisecond, Upper95: 100 * time.Millisecond, Idempotent: idempotent,
		NewRequest: text, NewResponse: text,
	}
}

// runTarget is the whole of a process that is an instance of the target. It notes the id of every write that it
// handles in a file of its own, before it answers.
func runTarget(folder string) (status int) {
	if err := serveTarget(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveTarget(folder string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	credential, err := auth.ReadCredential(filepath.Join(folder, target+".json"), target)
	if err != nil {
		return err
	}
	svc := platform.New(target, platform.Credential(credential), platform.Logger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	handled, err := os.OpenFile(filepath.Join(folder, svc.ID()+".writes"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer handled.Close()
	svc.Handle(read, func(_ context.Context, request proto.Message) (proto.Message, error) { return request, nil })
	svc.Handle(write, func(_ context.Context, request proto.Message) (proto.Message, error) {
		_, err := fmt.Fprintln(handled, request.(*wrapperspb.StringValue).GetValue()) // one write(2)
		return request, err
	})
	ended := make(chan error, 1)
	go func() {
		ended <- svc.Run(ctx, func(ctx context.Context) (*bus.Bus, error) { return dial.Bus(ctx, os.Getenv("HANSOM_BUS"), svc.Zone()) })
	}()
	select {
	case err := <-ended:
		return err
	case <-svc.Ready():
		fmt.Println("ready:", svc.ID())
	}
	return <-ended
}
