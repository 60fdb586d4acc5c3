package discovery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// root is the node below which every instance has its own.
const root = "/instances"

func nodePath(instance string) string { return root + "/" + instance }

func instanceOf(path string) string { return strings.TrimPrefix(path, root+"/") }

func encode(l *discoverypb.Listing) []byte {
	data, err := proto.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("kernel.discovery: a listing cannot be encoded: %v", err)) // only a string that is not UTF-8, which the decoder of the request refused
	}
	return data
}

// read takes the state of one node into the picture.
func (d *discovery) read(ctx context.Context, n coord.Node) {
	l := new(discoverypb.Listing)
	if err := proto.Unmarshal(n.Data, l); err != nil || l.GetInstance().GetId() != instanceOf(n.Path) {
		d.log.ErrorContext(ctx, "a node in coord is not a listing and is left out", "path", n.Path, "error", err)
		return
	}
	d.picture.put(l, n.Revision, time.Now())
}

// refresh reads the node of one instance, whose last change the watch may not
// have told yet.
func (d *discovery) refresh(ctx context.Context, id string) error {
	n, err := d.coord.Get(ctx, nodePath(id))
	if err == nil {
		d.read(ctx, n)
	}
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// list lists an instance as registered through this discovery instance, whatever
// its node held before.
func (d *discovery) list(ctx context.Context, i *discoverypb.Instance) error {
	return d.write(i, func(s *coord.Session, path string, data []byte) (coord.Node, error) { return s.Set(ctx, path, data) })
}

// claim does the same for an instance whose node is gone, and fails with
// Conflict when there is one.
func (d *discovery) claim(ctx context.Context, i *discoverypb.Instance) error {
	return d.write(i, func(s *coord.Session, path string, data []byte) (coord.Node, error) { return s.Create(ctx, path, data) })
}

func (d *discovery) write(i *discoverypb.Instance, write func(*coord.Session, string, []byte) (coord.Node, error)) error {
	s := d.session.Load()
	if s == nil {
		return fault.New(fault.Unavailable, "kernel.discovery.no_session",
			"this discovery instance has no session in coord at the moment; try again")
	}
	l := &discoverypb.Listing{Instance: i, Discovery: d.svc.ID()}
	n, err := write(s, nodePath(i.GetId()), encode(l))
	if err != nil {
		return err
	}
	d.picture.put(l, n.Revision, time.Now())
	return nil
}

// remove unlists an instance of this discovery instance unless somebody
// registered it anew meanwhile, and reports whether it did.
func (d *discovery) remove(ctx context.Context, id, reason string) (bool, error) {
	e, ok := d.picture.get(id)
	if !ok || e.owner != d.svc.ID() {
		return false, nil
	}
	expect := e.revision
	if !e.orphaned.IsZero() {
		expect = 0
	}
	l := &discoverypb.Listing{Instance: e.instance, Discovery: d.svc.ID(), Removed: reason}
	n, err := d.coord.CompareAndSet(ctx, nodePath(id), encode(l), expect)
	if fault.Is(err, fault.Conflict) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d.down(n.Revision, e.instance, reason)
	return true, nil
}

// down takes a removal that was written into the picture and tells everybody.
func (d *discovery) down(revision uint64, i *discoverypb.Instance, reason string) {
	d.picture.put(&discoverypb.Listing{Instance: i, Removed: reason}, revision, time.Now())
	d.log.Info("instance down", "down", i.GetId(), "version", i.GetVersion(), "zone", i.GetZone(), "reason", reason)
	d.outbox.add(topicDown, &discoverypb.InstanceEvent{Instance: i, Reason: reason})
}

// sweep deletes the nodes of removals that everybody has seen.
func (d *discovery) sweep(ctx context.Context) {
	for id, revision := range d.picture.marks(time.Now().Add(-d.config.Linger)) {
		err := d.coord.CompareAndDelete(ctx, nodePath(id), revision)
		if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) {
			d.log.DebugContext(ctx, "the mark of a removal stays for now", "of", id, "error", err)
			return
		}
	}
}

// audit compares the picture with all nodes. It finds what a watch cannot tell:
// a node that came and went while the connection was lost.
func (d *discovery) audit(ctx context.Context) error {
	before := d.picture.revisions()
	nodes, err := d.coord.List(ctx, root)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		delete(before, instanceOf(n.Path))
		if n.Path != root {
			d.read(ctx, n)
		}
	}
	for id, revision := range before {
		d.picture.lostAt(id, revision, time.Now())
	}
	return nil
}

// follow keeps the picture as the nodes are.
func (d *discovery) follow(ctx context.Context) error {
	defer d.watcher.Close()
	for {
		ev, err := d.watcher.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, coord.ErrClosed):
			return err
		case err != nil:
			d.log.WarnContext(ctx, "watch of the registrations", "error", err)
			continue
		}
		d.take(ctx, ev)
	}
}

func (d *discovery) take(ctx context.Context, ev coord.Event) {
	switch ev.Kind {
	case coord.NodePut:
		if ev.Node.Path != root {
			d.read(ctx, ev.Node)
		}
	case coord.NodeDeleted:
		d.picture.lost(instanceOf(ev.Node.Path), ev.Node.Revision, time.Now())
	case coord.SnapshotDone:
	}
}
