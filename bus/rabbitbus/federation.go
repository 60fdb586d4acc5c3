package rabbitbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/bus/driver"
)

// What federation is made of. Upstreams are named so, with the zone after it.
const (
	upstreamCalls  = "h2.calls."  // requests and replies: at most once
	upstreamTopic  = "h2.topic."  // events: at least once
	setCalls       = "h2.calls"   // upstream sets, and the policies that apply them to the zone's arrivals
	setTopic       = "h2.topic"   //
	policyLeaving  = "h2.leaving" // what no link takes comes back
	componentUp    = "federation-upstream"
	componentUpSet = "federation-upstream-set"
)

// Bounds of a link, in ms but for the last. Nothing waits for a zone longer than a request's default budget.
const (
	callsTTL       = 10_000
	callsExpires   = 10_000    // of the link's queue, when its zone is away
	topicTTL       = 3_600_000 // events wait an hour for a zone
	linkTimeout    = 2_000
	linkHeartbeat  = 1 // s; RabbitMQ gives a link up after two
	linkPrefetch   = 1000
	reconnectDelay = 1 // s
)

// Setup makes the broker of config one of its zone, joined to config.Zones: exchanges, federation
// upstreams and policies. What is so already stays untouched, and what earlier calls made for zones
// that are not listed any more is removed. It works on this zone's broker only, by its management
// API, as a user tagged policymaker (or administrator) with all permissions in the virtual host.
func Setup(ctx context.Context, config Config) (Report, error) {
	return setUp(ctx, config, false)
}

// Plan reports what Setup would change, and changes nothing.
func Plan(ctx context.Context, config Config) (Report, error) {
	return setUp(ctx, config, true)
}

func setUp(ctx context.Context, config Config, dry bool) (Report, error) {
	var report Report
	if config.Zone.Zone == "" || strings.Contains(config.Zone.Zone, "/") {
		return report, badURL("zone %q: name the zone of the broker, without a slash", config.Zone.Zone)
	}
	api, err := newManagement(config)
	if err != nil {
		return report, err
	}
	defer api.close()
	api.dry = dry
	s := &setup{api: api, zone: config.Zone, others: config.otherZones(), report: &report}
	for _, step := range []func(context.Context) error{
		s.plugins, s.exchanges, s.links, s.upstreams, s.sets, s.policies, s.leftovers,
	} {
		if err := step(ctx); err != nil {
			return report, err
		}
	}
	return report, nil
}

type setup struct {
	api    *management
	zone   driver.Zone
	others map[string][]string
	report *Report
	known  map[string]bool // exchanges that are there
}

func (s *setup) names() []string { return slices.Sorted(maps.Keys(s.others)) }

func (s *setup) exchanges(ctx context.Context) error {
	var listed []listedExchange
	if err := s.api.get(ctx, &listed, "exchanges", s.api.vhost); err != nil {
		return s.api.noVhost(err)
	}
	there := map[string]listedExchange{}
	s.known = map[string]bool{}
	for _, e := range listed {
		there[e.Name] = e
		s.known[e.Name] = true
	}
	wanted := append([]exchangeSpec{homeOf(s.zone)}, exchangesOf(s.zone)...)
	for _, z := range s.names() {
		wanted = append(wanted, zoneExchanges(z)...)
	}
	for _, e := range wanted {
		if have, ok := there[e.name]; ok {
			if err := have.agrees(e); err != nil {
				return err
			}
			s.report.keep("exchange %s of type %s", e.name, e.kind)
			continue
		}
		body := map[string]any{"type": e.kind, "durable": true, "arguments": e.arguments()}
		if e.alternate == "" {
			delete(body, "arguments")
		}
		if err := s.api.put(ctx, body, "exchanges", s.api.vhost, e.name); err != nil {
			return err
		}
		s.report.add("made exchange %s of type %s", e.name, e.kind)
	}
	return nil
}

// keyAll is the topic pattern of every event.
const keyAll = "#"

// links binds what arrives to where it goes, and all events to every zone. What leaves for another zone arrives nowhere here:
// a broker that was taken for that zone's has such bindings.
func (s *setup) links(ctx context.Context) error {
	for _, l := range arrivalsOf(s.zone) {
		if err := s.link(ctx, l, ""); err != nil {
			return err
		}
	}
	for _, z := range s.names() {
		if err := s.link(ctx, link{exchangeTopic, topicZoneExchange(z)}, keyAll); err != nil {
			return err
		}
		for _, l := range arrivalsOf(driver.Zone{Zone: z}) {
			if err := s.unlink(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// find tells whether a link is there, and where the management API has all of its kind.
func (s *setup) find(ctx context.Context, l link, key string) (there bool, path []string, err error) {
	var listed []listedBinding
	path = []string{"bindings", s.api.vhost, "e", l.source, "e", l.destination}
	if err := s.api.get(ctx, &listed, path...); err != nil && !(s.api.dry && isMissing(err)) {
		return false, nil, err
	}
	there = slices.ContainsFunc(listed, func(b listedBinding) bool { return b.RoutingKey == key && len(b.Arguments) == 0 })
	return there, path, nil
}

func (s *setup) unlink(ctx context.Context, l link) error {
	there, path, err := s.find(ctx, l, "")
	if err != nil || !there {
		return err
	}
	const bare = "~" // how the API names a binding without a key and arguments
	if err := s.api.remove(ctx, append(path, bare)...); err != nil {
		return err
	}
	s.report.remove("binding of exchange %s to %s", l.destination, l.source)
	return nil
}

func (s *setup) link(ctx context.Context, l link, key string) error {
	there, path, err := s.find(ctx, l, key)
	if err != nil {
		return err
	}
	if there {
		s.report.keep("binding of exchange %s to %s", l.destination, l.source)
		return nil
	}
	if err := s.api.do(ctx, "POST", apiPath(path...), map[string]any{"routing_key": key}, nil); err != nil {
		return err
	}
	s.report.add("bound exchange %s to %s", l.destination, l.source)
	return nil
}

func (s *setup) upstreams(ctx context.Context) error {
	wanted := map[string]any{}
	for z, brokers := range s.others {
		uris, err := s.uris(brokers)
		if err != nil {
			return err
		}
		common := func(ackMode string, ttl, expires int) map[string]any {
			return map[string]any{
				"uri": uris, "ack-mode": ackMode, "max-hops": 1, "message-ttl": ttl, "expires": expires,
				"reconnect-delay": reconnectDelay, "prefetch-count": linkPrefetch, "trust-user-id": false,
			}
		}
		wanted[upstreamCalls+z] = common("no-ack", callsTTL, callsExpires)
		wanted[upstreamTopic+z] = common("on-confirm", topicTTL, topicTTL)
	}
	return s.parameters(ctx, componentUp, wanted, func(name string) bool {
		return strings.HasPrefix(name, upstreamCalls) || strings.HasPrefix(name, upstreamTopic)
	})
}

// uris adds to the brokers' addresses what makes a link notice that its broker is gone.
func (s *setup) uris(brokers []string) ([]string, error) {
	var all []string
	for _, raw := range brokers {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, badURL("zones: an address cannot be read")
		}
		host := vhost(u)
		if u.Path == "" {
			host = s.api.vhost
		}
		u.Path, u.RawPath = "", "" // to RabbitMQ "/" is a virtual host without a name, and no path the own one
		if host != "/" || s.api.vhost != "/" {
			u.Path, u.RawPath = "/"+host, "/"+url.PathEscape(host)
		}
		q := u.Query()
		q.Set("heartbeat", fmt.Sprint(linkHeartbeat))
		q.Set("connection_timeout", fmt.Sprint(linkTimeout))
		u.RawQuery = q.Encode()
		all = append(all, u.String())
	}
	slices.Sort(all)
	return all, nil
}

func (s *setup) sets(ctx context.Context) error {
	wanted := map[string]any{}
	for set, prefix := range map[string]string{setCalls: upstreamCalls, setTopic: upstreamTopic} {
		var members []map[string]any
		for _, z := range s.names() {
			members = append(members, map[string]any{"upstream": prefix + z})
		}
		if len(members) > 0 {
			wanted[set] = members
		}
	}
	return s.parameters(ctx, componentUpSet, wanted, func(name string) bool { return name == setCalls || name == setTopic })
}

// parameters makes exactly these of a component, of those that are ours.
func (s *setup) parameters(ctx context.Context, component string, wanted map[string]any, ours func(string) bool) error {
	var listed []struct {
		Name  string
		Value any
	}
	err := s.api.get(ctx, &listed, "parameters", component, s.api.vhost)
	if err != nil && !isMissing(err) {
		return err
	}
	have := map[string]any{}
	for _, p := range listed {
		if ours(p.Name) {
			have[p.Name] = p.Value
		}
	}
	return s.match(ctx, component, have, wanted, func(name string) ([]string, any) {
		return []string{"parameters", component, s.api.vhost, name}, map[string]any{"value": wanted[name]}
	})
}

// match makes have what is wanted.
func (s *setup) match(ctx context.Context, what string, have, wanted map[string]any, place func(name string) ([]string, any)) error {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		old, was := have[name]
		if was && sameJSON(old, wanted[name]) {
			s.report.keep("%s %s", what, name)
			continue
		}
		path, body := place(name)
		if err := s.api.put(ctx, body, path...); err != nil {
			return err
		}
		s.report.add("%s %s %s", map[bool]string{true: "changed", false: "made"}[was], what, name)
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := wanted[name]; ok {
			continue
		}
		path, _ := place(name)
		if err := s.api.remove(ctx, path...); err != nil {
			return err
		}
		s.report.remove("%s %s", what, name)
	}
	return nil
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil {
		return false
	}
	var p, q any
	if json.Unmarshal(x, &p) != nil || json.Unmarshal(y, &q) != nil {
		return false
	}
	x, _ = json.Marshal(p)
	y, _ = json.Marshal(q)
	return string(x) == string(y)
}

func isMissing(err error) bool {
	return errors.Is(err, errNoSuch)
}

// policies federate the arrivals of this zone, and hand back what leaves for a zone that no link takes it to.
func (s *setup) policies(ctx context.Context) error {
	wanted := map[string]any{}
	if len(s.others) > 0 {
		own := regexp.QuoteMeta(s.zone.Zone)
		wanted[setCalls] = policy(`^h2\.(direct\.)?zone\.`+own+`$`, "federation-upstream-set", setCalls)
		wanted[setTopic] = policy(`^h2\.topic\.zone\.`+own+`$`, "federation-upstream-set", setTopic)
		var quoted []string
		for _, z := range s.names() {
			quoted = append(quoted, regexp.QuoteMeta(z))
		}
		wanted[policyLeaving] = policy(`^h2\.(direct\.)?zone\.(`+strings.Join(quoted, "|")+`)$`, "alternate-exchange", exchangeUnroutable)
	}
	var listed []struct {
		Name, Pattern string
		ApplyTo       string `json:"apply-to"`
		Priority      int
		Definition    map[string]any
	}
	if err := s.api.get(ctx, &listed, "policies", s.api.vhost); err != nil {
		return err
	}
	have := map[string]any{}
	for _, p := range listed {
		if p.Name == setCalls || p.Name == setTopic || p.Name == policyLeaving {
			have[p.Name] = map[string]any{"pattern": p.Pattern, "apply-to": p.ApplyTo, "priority": p.Priority, "definition": p.Definition}
		}
	}
	return s.match(ctx, "policy", have, wanted, func(name string) ([]string, any) {
		return []string{"policies", s.api.vhost, name}, wanted[name]
	})
}

func policy(pattern, key, value string) map[string]any {
	return map[string]any{"pattern": pattern, "apply-to": "exchanges", "priority": 10, "definition": map[string]any{key: value}}
}

// leftovers removes the exchanges that led to zones which are not listed any more; their bindings go with
// them.
func (s *setup) leftovers(ctx context.Context) error {
	for name := range s.known {
		z, isZone := strings.CutPrefix(name, prefixZone)
		if _, listed := s.others[z]; !isZone || listed || z == s.zone.Zone {
			continue
		}
		for _, e := range zoneExchanges(z) {
			if !s.known[e.name] {
				continue
			}
			if err := s.api.remove(ctx, "exchanges", s.api.vhost, e.name); err != nil {
				return err
			}
			s.report.remove("exchange %s", e.name)
		}
	}
	return nil
}
