package binding

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/coord"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// splitsRoot is the node below which every service with a split has one.
const splitsRoot = "/splits"

func splitPath(service string) string { return splitsRoot + "/" + service }

// splits holds the splits in force. Its methods may be called concurrently.
type splits struct {
	changed func()

	mu        sync.Mutex
	byService map[string]*bindingpb.Split
	loaded    bool
}

func newSplits(changed func()) *splits {
	return &splits{changed: changed, byService: map[string]*bindingpb.Split{}}
}

func (s *splits) all() (byService map[string]*bindingpb.Split, loaded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.byService), s.loaded
}

func (s *splits) take(ev coord.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed()
	service := strings.TrimPrefix(ev.Node.Path, splitsRoot+"/")
	switch ev.Kind {
	case coord.SnapshotDone:
		s.loaded = true
	case coord.NodeDeleted:
		delete(s.byService, service)
	case coord.NodePut:
		split := new(bindingpb.Split)
		if err := proto.Unmarshal(ev.Node.Data, split); err != nil {
			return err
		}
		s.byService[service] = split
	}
	return nil
}

// watchSplits keeps the splits as coord has them.
func (b *binding) watchSplits(ctx context.Context) error {
	w, err := b.openWatch(ctx)
	if err != nil || w == nil {
		return err
	}
	defer w.Close()
	for {
		ev, err := w.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, coord.ErrClosed):
			return err
		case err != nil:
			b.log.WarnContext(ctx, "watch of the splits", "error", err)
			continue
		}
		if err := b.splits.take(ev); err != nil {
			b.log.ErrorContext(ctx, "a split in coord cannot be read and is left as it was", "path", ev.Node.Path, "error", err)
		}
	}
}

// openWatch tries until it succeeds, or returns nil when ctx ends.
func (b *binding) openWatch(ctx context.Context) (*coord.Watcher, error) {
	for warned := false; ; warned = true {
		w, err := b.coord.Watch(ctx, splitsRoot)
		if err == nil || fault.Is(err, fault.BadRequest) {
			return w, err
		}
		if !warned && ctx.Err() == nil {
			b.log.WarnContext(ctx, "coord cannot be reached; nothing is bound before the splits are known", "error", err)
		}
		if !pause(ctx, 200*time.Millisecond) {
			return nil, nil
		}
	}
}

// SetSplit implements bindingpb.BindingServer.
func (b *binding) SetSplit(ctx context.Context, r *bindingpb.SetSplitRequest) (*bindingpb.SetSplitResponse, error) {
	if err := checkSplit(r.GetService(), r.GetShares()); err != nil {
		return nil, err
	}
	node, current, err := b.split(ctx, r.GetService())
	if err != nil {
		return nil, err
	}
	if len(r.GetShares()) == 0 {
		return &bindingpb.SetSplitResponse{}, b.removeSplit(ctx, r.GetService(), node)
	}
	split := &bindingpb.Split{
		Service: r.GetService(),
		Shares:  r.GetShares(),
		Salt:    current.GetSalt(),
		Author:  author(ctx, r),
		At:      timestamppb.Now(),
	}
	if split.Salt == "" {
		split.Salt = rand.Text()
	}
	data, err := proto.Marshal(split)
	if err != nil {
		return nil, fault.Wrap(err, fault.BadRequest, "kernel.binding.split.encode", "the split of %s cannot be stored", r.GetService())
	}
	if _, err := b.coord.CompareAndSet(ctx, node.Path, data, node.Revision); err != nil {
		return nil, changedMeanwhile(err, r.GetService())
	}
	return &bindingpb.SetSplitResponse{Split: split, Warnings: b.doubts(split)}, nil
}

// split reads the split of a service and its node; the node's revision is 0 where
// there is none.
func (b *binding) split(ctx context.Context, service string) (coord.Node, *bindingpb.Split, error) {
	node, err := b.coord.Get(ctx, splitPath(service))
	if fault.Is(err, fault.NotFound) {
		return coord.Node{Path: splitPath(service)}, nil, nil
	}
	if err != nil {
		return node, nil, err
	}
	split := new(bindingpb.Split)
	if err := proto.Unmarshal(node.Data, split); err != nil {
		b.log.ErrorContext(ctx, "a split in coord cannot be read; it is replaced", "path", node.Path, "error", err)
	}
	return node, split, nil
}

func (b *binding) removeSplit(ctx context.Context, service string, node coord.Node) error {
	if node.Revision == 0 {
		return nil
	}
	err := b.coord.CompareAndDelete(ctx, node.Path, node.Revision)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return changedMeanwhile(err, service)
}

func changedMeanwhile(err error, service string) error {
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	return fault.Wrap(err, fault.Conflict, "kernel.binding.split.changed",
		"somebody else changed the split of %s at this moment; look at it and try again", service)
}

func author(ctx context.Context, r *bindingpb.SetSplitRequest) string {
	if r.GetAuthor() != "" {
		return r.GetAuthor()
	}
	return platform.Author(ctx)
}

// doubts warns of what may not be meant: no split is refused for it.
func (b *binding) doubts(split *bindingpb.Split) []string {
	instances, _ := b.picture.all()
	running := map[string]uint64{}
	for _, i := range instances {
		if i.GetService() == split.GetService() && i.GetOverlay() == "" {
			running[i.GetVersion()]++
		}
	}
	if len(running) == 0 {
		return []string{"no instance of " + split.GetService() + " is running; check the name of the service"}
	}
	_, warnings := versionWeights(running, split)
	return warnings
}

var (
	serviceName = regexp.MustCompile(`^(api|orchestration|core|kernel)(\.[a-z][a-z0-9]*)+$`)
	versionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
)

// checkSplit refuses what cannot be a split.
func checkSplit(service string, shares []*bindingpb.Share) error {
	const reason = "kernel.binding.split."
	if !serviceName.MatchString(service) {
		return fault.New(fault.BadRequest, reason+"service",
			"split of %q: this is no name of a service; want a tier and lower-case words, such as core.eta", service)
	}
	named, total := map[string]bool{}, uint64(0)
	for _, s := range shares {
		version := s.GetVersion()
		switch {
		case !versionName.MatchString(version):
			return fault.New(fault.BadRequest, reason+"version",
				"split of %s: %q is no version; want up to 100 letters, digits and . _ -, such as 20260102150405", service, version)
		case named[version]:
			return fault.New(fault.BadRequest, reason+"twice", "split of %s: version %s is named twice", service, version)
		case s.GetBasisPoints() > whole:
			return fault.New(fault.BadRequest, reason+"share",
				"split of %s: version %s cannot get %s; a share is at most 100 %%", service, version, percent(s.GetBasisPoints()))
		}
		named[version] = true
		total += uint64(s.GetBasisPoints())
	}
	if total > whole {
		return fault.New(fault.BadRequest, reason+"sum",
			"split of %s: the shares add up to %s; at most 100 %% can be given, and versions that are not named get the rest",
			service, percent(uint32(min(total, 1<<31))))
	}
	return nil
}
