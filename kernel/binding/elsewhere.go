package binding

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
)

// elsewhere returns what is bound in the region's other zones, as kernel.binding says there: not
// every engine lets one zone read another's bindings (decision 0019). Zones that do not say are named
// with the reason. Service "" means all.
func (b *binding) elsewhere(ctx context.Context, service string) ([]*bindingpb.Bound, []*bindingpb.SilentZone) {
	ctx, cancel := context.WithTimeout(ctx, b.config.Stats)
	defer cancel()
	zones := b.others()
	names := slices.SortedFunc(maps.Keys(zones), func(x, y bus.Zone) int { return cmp.Compare(x.String(), y.String()) })
	answers := make([]*bindingpb.BindingsResponse, len(names))
	calls := make([]func(context.Context) error, len(names))
	for k, z := range names {
		calls[k] = func(ctx context.Context) (err error) {
			answers[k], err = b.ask(ctx, zones[z], service)
			return err
		}
	}
	var all []*bindingpb.Bound
	var silent []*bindingpb.SilentZone
	for k, err := range platform.ParallelAll(ctx, maxCalls, calls...) {
		if err != nil {
			silent = append(silent, &bindingpb.SilentZone{Zone: names[k].String(), Why: fault.From(err).Message})
			continue
		}
		all = append(all, answers[k].GetBindings()...)
	}
	return all, silent
}

// others returns the region's other zones that are known to have instances, and those of
// kernel.binding among them.
func (b *binding) others() map[bus.Zone][]string {
	zones := map[bus.Zone][]string{}
	instances, _ := b.picture.all()
	for _, i := range instances {
		z := bus.Zone{Region: i.GetRegion(), Zone: i.GetZone()}
		if z.Region != b.zone().Region || z == b.zone() {
			continue
		}
		ids := zones[z]
		if i.GetService() == Name {
			ids = append(ids, i.GetId())
		}
		zones[z] = ids
	}
	return zones
}

// ask calls instances of one zone, the next where one does not answer within its share of the time that is left.
func (b *binding) ask(ctx context.Context, instances []string, service string) (*bindingpb.BindingsResponse, error) {
	var last error = fault.New(fault.NotFound, "kernel.binding.elsewhere", "no instance of %s runs there", Name)
	client := bindingpb.NewBindingClient(b.svc)
	for k, id := range slices.Sorted(slices.Values(instances)) {
		share, cancel := withShare(ctx, len(instances)-k)
		response, err := client.Bindings(platform.To(share, id), &bindingpb.BindingsRequest{Service: service, Here: true})
		cancel()
		if err == nil {
			return response, nil
		}
		last = err
	}
	return nil, last
}

// withShare leaves one nth of the time that ctx has left.
func withShare(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
}

// without says, at the end of a message, which zones it leaves out.
func without(silent []*bindingpb.SilentZone) string {
	if len(silent) == 0 {
		return ""
	}
	var all []string
	for _, z := range silent {
		all = append(all, fmt.Sprintf("%s (%s)", z.GetZone(), z.GetWhy()))
	}
	return "; not known at present is what is bound in " + strings.Join(all, ", ")
}
