package platform

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
)

// Main runs s as the whole of a process, on the bus named by HANSOM_BUS, which
// open opens. SIGTERM and SIGINT begin the drain; a second one kills. It exits with
// status 1 and a message on standard error when the service could not run.
func Main(s *Service, open func(ctx context.Context, url string, z bus.Zone) (*bus.Bus, error)) {
	if err := runMain(s, open); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", s.Name(), err)
		os.Exit(1)
	}
}

func runMain(s *Service, open func(ctx context.Context, url string, z bus.Zone) (*bus.Bus, error)) error {
	url := os.Getenv("HANSOM_BUS")
	if url == "" {
		return fault.New(fault.BadRequest, "platform.no_bus",
			"HANSOM_BUS is not set: it names the bus to connect to, such as nats://127.0.0.1:4222")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal has its default effect
	return s.Run(ctx, func(ctx context.Context) (*bus.Bus, error) { return open(ctx, url, s.Zone()) })
}
