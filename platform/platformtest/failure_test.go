package platformtest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

// recorder is a test that notes what an Env says against it.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// finish ends the test and returns what was said.
func (r *recorder) finish() string {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return strings.Join(r.errors, "\n")
}

func TestLeaksAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bystander := make(chan struct{})
		go func() { <-bystander }()
		defer close(bystander)
		leak := make(chan struct{})
		defer close(leak)

		test := &recorder{TB: t}
		env := platformtest.New(test)
		svc := platform.New("core.leaky")
		svc.OnStart(func(context.Context) error {
			go forgotten(leak)
			return nil
		})
		env.Start(svc)
		got := test.finish()
		if !strings.Contains(got, "1 stacks of goroutines outlived their services") || !strings.Contains(got, "forgotten") {
			t.Errorf("a service left a goroutine in forgotten behind, and the Env says %q", got)
		}
		if strings.Contains(got, "bystander") {
			t.Errorf("a goroutine of somebody else is reported: %q", got)
		}
	})
}

func forgotten(leak chan struct{}) { <-leak }

func TestEndlessHandlersAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		test := &recorder{TB: t}
		env := platformtest.New(test)
		release := make(chan struct{})
		defer close(release)
		platformtest.Fake(env, routingpb.RoutingMatrix, func(context.Context, *routingpb.MatrixRequest) (*routingpb.MatrixResponse, error) {
			<-release
			return nil, nil
		})
		client := routingpb.NewRoutingClient(env.Client())
		go func() { _, _ = client.Matrix(context.Background(), &routingpb.MatrixRequest{}) }()
		synctest.Wait()
		if got := test.finish(); !strings.Contains(got, "core.routing did not drain within 10s") {
			t.Errorf("a handler never ends, and the Env says %q", got)
		}
	})
}

func TestFailedRunsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		test := &recorder{TB: t}
		env := platformtest.New(test)
		svc := platform.New("core.broken")
		svc.Background(func(ctx context.Context) error {
			<-svc.Ready()
			return fmt.Errorf("the disk is full")
		})
		env.Start(svc)
		synctest.Wait()
		if got := test.finish(); !strings.Contains(got, "core.broken ended with an error") || !strings.Contains(got, "the disk is full") {
			t.Errorf("a background function failed, and the Env says %q", got)
		}
	})
}
