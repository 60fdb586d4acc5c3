package profile

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	profilepb "github.com/hansom-platform/hansom/proto/taxi/profile"
)

// topic carries every profile written, as a profilepb.Driver.
const topic = "core.profile.written"

// replication joins the books of all instances.
type replication struct {
	service *platform.Service
	peer    *profilepb.ProfileClient
	book    *book
}

func (r *replication) publish(ctx context.Context, d Driver) error {
	return r.service.PublishEvent(ctx, topic, message(d))
}

// receive stores a profile that some instance took and checked.
func (r *replication) receive(_ context.Context, e *platform.Event) error {
	m := new(profilepb.Driver)
	if err := proto.Unmarshal(e.Message.Body, m); err != nil {
		return fault.Wrap(err, fault.BadRequest, "core.profile.replicate.unreadable", "the event is no profile")
	}
	d := driver(m)
	if err := d.validate(); err != nil {
		return err
	}
	r.book.merge(d)
	return nil
}

// warmUp copies the profiles that another instance holds. It runs once events are
// heard, so nothing falls between. No other instance means this one is the first.
// Any other failure ends the start: nothing would ever fill the gap.
func (r *replication) warmUp(ctx context.Context) error {
	after := ""
	for {
		page, err := r.peer.Dump(ctx, &profilepb.DumpRequest{After: after})
		switch {
		case fault.Is(err, fault.NoRoute):
			return nil
		case err != nil:
			return fmt.Errorf("copying profiles from another instance, after %q: %w", after, err)
		}
		for _, m := range page.GetDrivers() {
			r.book.merge(driver(m))
		}
		if after = page.GetNext(); after == "" {
			return nil
		}
	}
}
