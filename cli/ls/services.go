package ls

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	discoverypb "github.com/hansom-platform/hansom/proto/kernel/discovery"
)

// NewServices makes `hansom ls services`.
func NewServices(f *factory.Factory, run Run) *cobra.Command {
	return verb(f, &Options{}, run, "services", "List the services that run")
}

// service is a line of the list.
type service struct {
	Service   string         `json:"service"`
	Instances int            `json:"instances"`
	Versions  map[string]int `json:"versions"` // how many instances of each
	Zones     []string       `json:"zones"`
	Owner     string         `json:"owner"`
}

func services(ctx context.Context, f *factory.Factory, o *Options) error {
	all, err := registrations(ctx, f, o)
	if err != nil {
		return err
	}
	list := byService(all)
	if o.Format == output.JSON {
		return output.Value(f.Out, list)
	}
	t := output.NewTable(f.Out, "SERVICE", "INSTANCES", "VERSIONS", "ZONES", "OWNER")
	for _, s := range list {
		versions := slices.Sorted(maps.Keys(s.Versions))
		t.Row(s.Service, s.Instances, strings.Join(versions, " "), strings.Join(s.Zones, " "), s.Owner)
	}
	return t.Flush()
}

func byService(all []*discoverypb.Registration) []*service {
	found := map[string]*service{}
	for _, r := range all {
		i := r.GetInstance()
		s := found[i.GetService()]
		if s == nil {
			s = &service{Service: i.GetService(), Versions: map[string]int{}, Owner: i.GetOwner()}
			found[s.Service] = s
		}
		s.Instances++
		s.Versions[i.GetVersion()]++
		if zone := i.GetRegion() + "/" + i.GetZone(); !slices.Contains(s.Zones, zone) {
			s.Zones = append(s.Zones, zone)
		}
		slices.Sort(s.Zones)
	}
	list := slices.AppendSeq([]*service{}, maps.Values(found))
	slices.SortFunc(list, func(a, b *service) int { return cmp.Compare(a.Service, b.Service) })
	return list
}
