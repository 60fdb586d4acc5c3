package discovery

import (
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// Register implements discoverypb.DiscoveryServer.
func (d *discovery) Register(ctx context.Context, r *discoverypb.RegisterRequest) (*discoverypb.RegisterResponse, error) {
	i := r.GetInstance()
	if err := d.checkInstance(i); err != nil {
		return nil, err
	}
	news := d.picture.differs(i)
	if news {
		if err := d.refresh(ctx, i.GetId()); err != nil {
			return nil, err
		}
		news = d.picture.differs(i)
	}
	if err := d.list(ctx, i); err != nil {
		return nil, err
	}
	if news {
		d.log.InfoContext(ctx, "instance up", "up", i.GetId(), "version", i.GetVersion(), "zone", i.GetZone())
		d.outbox.add(topicUp, &discoverypb.InstanceEvent{Instance: i})
	}
	return &discoverypb.RegisterResponse{
		Discovery:         d.svc.ID(),
		HeartbeatInterval: durationpb.New(d.config.Interval),
	}, nil
}

func (d *discovery) checkInstance(i *discoverypb.Instance) error {
	id, service := i.GetId(), i.GetService()
	switch {
	case i == nil:
		return fault.New(fault.BadRequest, "kernel.discovery.register.nothing", "register: the request holds no instance")
	case service == "" || !strings.HasPrefix(id, service+"-"):
		return fault.New(fault.BadRequest, "kernel.discovery.register.id",
			"register %q: the id of an instance of %q begins with the service's name and a hyphen", id, service)
	case !validID(id):
		return fault.New(fault.BadRequest, "kernel.discovery.register.id",
			"register %q: an id has up to %d letters, digits, '.', '_' and '-'", id, coord.MaxSegment)
	case i.GetVersion() == "" || i.GetRegion() == "" || i.GetZone() == "":
		return fault.New(fault.BadRequest, "kernel.discovery.register.place", "register %s: version, region and zone must be given", id)
	case i.GetRegion() != d.svc.Zone().Region:
		return fault.New(fault.BadRequest, "kernel.discovery.register.region",
			"register %s: it says that it runs in region %s and this is region %s; check HANSOM_REGION and HANSOM_BUS of the instance",
			id, i.GetRegion(), d.svc.Zone().Region)
	}
	return nil
}

// validID reports whether id can name a node.
func validID(id string) bool {
	return !strings.Contains(id, "/") && coord.CheckPath(nodePath(id)) == nil
}

// Deregister implements discoverypb.DiscoveryServer.
func (d *discovery) Deregister(ctx context.Context, r *discoverypb.DeregisterRequest) (*discoverypb.DeregisterResponse, error) {
	id := r.GetInstance()
	if !validID(id) {
		return nil, fault.New(fault.BadRequest, "kernel.discovery.deregister.id", "deregister %q: this is no instance's id", id)
	}
	if err := d.refresh(ctx, id); err != nil {
		return nil, err
	}
	e, listed := d.picture.get(id)
	if !listed {
		return &discoverypb.DeregisterResponse{}, nil
	}
	const reason = "deregistered"
	l := &discoverypb.Listing{Instance: e.instance, Discovery: d.svc.ID(), Removed: reason}
	n, err := d.coord.Put(ctx, nodePath(id), encode(l))
	if err != nil {
		return nil, err
	}
	d.down(n.Revision, e.instance, reason)
	return &discoverypb.DeregisterResponse{}, nil
}

// Instances implements discoverypb.DiscoveryServer.
func (d *discovery) Instances(_ context.Context, r *discoverypb.InstancesRequest) (*discoverypb.InstancesResponse, error) {
	if !d.started() {
		return nil, fault.New(fault.Unavailable, "kernel.discovery.starting", "this discovery instance has only just started; try again")
	}
	return &discoverypb.InstancesResponse{Registrations: d.picture.list(r.GetService(), r.GetZone())}, nil
}
