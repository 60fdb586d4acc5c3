package memcoord_test

import (
	"context"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/coord/drivertest"
	"github.com/hansom-platform/hansom/coord/memcoord"
)

type harness struct{ engine *memcoord.Engine }

func (h harness) Connect(context.Context) (drivertest.Conn, error) {
	d := h.engine.Open()
	return drivertest.Conn{Driver: d, Abandon: func() { h.engine.Sever(d) }}, nil
}

func (h harness) Restart(context.Context) error {
	h.engine.Stop()
	h.engine.Start()
	return nil
}

func (h harness) Capabilities() drivertest.Capabilities {
	return drivertest.Capabilities{MinTTL: time.Second, ExpirySlack: time.Second, RestartTTL: 5 * time.Second}
}

func (h harness) Close() {}

func TestConformance(t *testing.T) {
	drivertest.RunConformanceTests(t, func(testing.TB) drivertest.Harness { return harness{memcoord.New()} })
}
