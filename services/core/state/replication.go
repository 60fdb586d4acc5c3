package state

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	statepb "github.com/hansom-platform/hansom/proto/taxi/state"
)

// topic carries every position taken, as a statepb.Position.
const topic = "core.state.position"

// replication joins the fleets of all instances.
type replication struct {
	service *platform.Service
	peer    *statepb.StateClient
	fleet   *fleet
}

func (r *replication) publish(ctx context.Context, p Position) error {
	return r.service.PublishEvent(ctx, topic, message(p))
}

// receive indexes a position that some instance took and checked. The instance
// may have been of another version, so what came is not taken on trust for longer
// than it could matter: expired positions are dropped here too.
func (r *replication) receive(_ context.Context, e *platform.Event) error {
	m := new(statepb.Position)
	if err := proto.Unmarshal(e.Message.Body, m); err != nil {
		return fault.Wrap(err, fault.BadRequest, "core.state.replicate.unreadable", "the event is no position")
	}
	return r.take(m)
}

func (r *replication) take(m *statepb.Position) error {
	p := position(m)
	if err := p.validate(time.Now(), r.fleet.expiry); err != nil {
		return err
	}
	r.fleet.put(p)
	return nil
}

// warmUp copies the positions that another instance knows. It runs once events
// are heard, so nothing falls between. No other instance means this one is the
// first. Another failure is only logged: the drivers' own reports fill the gaps
// within seconds.
func (r *replication) warmUp(ctx context.Context) error {
	after, count := "", 0
	for {
		page, err := r.peer.Dump(ctx, &statepb.DumpRequest{After: after})
		switch {
		case fault.Is(err, fault.NoRoute):
			return nil
		case err != nil:
			r.service.Logger().WarnContext(ctx, "starting without the other instances' positions", "copied", count, "error", err)
			return nil
		}
		for _, m := range page.GetPositions() {
			_ = r.take(m) // expired meanwhile
		}
		count += len(page.GetPositions())
		if after = page.GetNext(); after == "" {
			return nil
		}
	}
}
