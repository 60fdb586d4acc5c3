package rabbitbus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// The plugins that every node needs; federation only where there are other zones.
const (
	pluginExchange   = "rabbitmq_h2_exchange"
	pluginFederation = "rabbitmq_federation"
)

// A listedNode is a node of the cluster as the management API shows it.
type listedNode struct {
	Name         string
	Running      bool
	Applications []struct{ Name string }
	Enabled      []string `json:"enabled_plugins"` // without those that others need
}

// lacks is false too where a node has not told yet, as in its first seconds.
func (n listedNode) lacks(plugin string) bool {
	if !n.Running || len(n.Applications) == 0 {
		return false
	}
	return !slices.Contains(n.Enabled, plugin) && !slices.ContainsFunc(n.Applications, func(a struct{ Name string }) bool { return a.Name == plugin })
}

// plugins finds out that every running node has what the setup needs. A user who may not list nodes
// learns of it from the first refusal.
func (s *setup) plugins(ctx context.Context) error {
	var nodes []listedNode
	err := s.api.get(ctx, &nodes, "nodes")
	if isForbidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	wanted := []string{pluginExchange}
	if len(s.others) > 0 {
		wanted = append(wanted, pluginFederation)
	}
	for _, n := range nodes {
		for _, plugin := range wanted {
			if n.lacks(plugin) {
				return fault.New(fault.Unavailable, driver.ReasonEngine, "node %s does not have the plugin %s: %s", n.Name, plugin, enable(plugin))
			}
		}
	}
	return nil
}

// enable says how to come by a plugin.
func enable(plugin string) string {
	from := "install and enable it on every node"
	if plugin == pluginExchange {
		from = "install it (make exchange) and enable it on every node"
	}
	return fmt.Sprintf("%s: rabbitmq-plugins enable %s", from, plugin)
}

// noVhost says so where err is that the virtual host is missing.
func (m *management) noVhost(err error) error {
	if !isMissing(err) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine,
		"the broker has no virtual host %q: check the path of the bus URL, or make it with rabbitmqctl add_vhost", m.vhost)
}

// A listedExchange is an exchange as the management API shows it.
type listedExchange struct {
	Name      string
	Type      string
	Durable   bool
	Arguments map[string]any
}

// agrees refuses an exchange that is not what the bus needs. An exchange cannot be changed, and removing it
// takes the bindings of everything that runs, so that is left to a person.
func (e listedExchange) agrees(wanted exchangeSpec) error {
	alternate, _ := e.Arguments["alternate-exchange"].(string)
	if e.Type == wanted.kind && e.Durable && alternate == wanted.alternate {
		return nil
	}
	if z, ok := strings.CutPrefix(alternate, prefixZone); ok && e.Name == exchangeHome {
		return fault.New(fault.Conflict, "bus.other_zone",
			"the broker is zone %s's (exchange %s says so), not zone %s's: name a broker of the zone, or the right zone; %s",
			z, exchangeHome, strings.TrimPrefix(wanted.alternate, prefixZone), reclaim)
	}
	return fault.New(fault.Conflict, "bus.foreign_exchange",
		"exchange %s is of type %s (durable: %t, alternate exchange %q), wanted is %s (durable: true, alternate exchange %q): "+
			"somebody else made it; delete it, or use a virtual host of the platform's own",
		e.Name, e.Type, e.Durable, alternate, wanted.kind, wanted.alternate)
}
