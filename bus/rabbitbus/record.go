package rabbitbus

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// The arguments of a binding of exchange h2.
const (
	argInstance = "instance"
	argVersion  = "version"
	argRegion   = "region"
	argZone     = "zone"
	argSalt     = "salt"
	argLeft     = "left"
	argWeight   = "weight"
	argMatch    = "match." // then the header's name
)

// maxArgument is the longest value of an argument, and of a header's name in one, in bytes.
const (
	maxArgument = 1024
	maxMatch    = 128
)

// A recordKey names a record. Remote ones are made by the zone's joiner for another zone and
// lead there; all others name instances of the broker that they are bound on.
type recordKey struct {
	Service string      `json:"service"`
	Zone    driver.Zone `json:"zone"`
	Remote  bool        `json:"remote,omitempty"`
}

// A record is all that exchange h2 has bound for one service in one zone.
type record struct {
	recordKey
	Bindings []driver.Binding `json:"bindings,omitempty"` // of remote ones, Instance is ""
	Left     []string         `json:"left,omitempty"`     // tombstones: when the last instance left, RFC 3339 with nanoseconds
}

// left is the latest of the tombstones, or the zero time.
func (r *record) left() (latest time.Time) {
	for _, text := range r.Left {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil && t.After(latest) {
			latest = t
		}
	}
	return latest
}

// equals tells that two records are the same, in the same order.
func (r *record) equals(other record) bool {
	return slices.Equal(r.Left, other.Left) && slices.EqualFunc(r.Bindings, other.Bindings, func(a, b driver.Binding) bool {
		return maps.Equal(a.Match, b.Match) && a.Service == b.Service && a.Instance == b.Instance && a.Version == b.Version &&
			a.Region == b.Region && a.Zone == b.Zone && a.Weight == b.Weight && a.Salt == b.Salt
	})
}

func leftAt(t time.Time) []string {
	if t.IsZero() {
		return nil
	}
	return []string{t.UTC().Format(time.RFC3339Nano)}
}

// A boundEntry is one binding of exchange h2 as AMQP has it.
type boundEntry struct {
	service, destination string
	arguments            amqp.Table
}

// entries lists the bindings that make the record, by a text that is the same for equal ones only.
func (r *record) entries() map[string]boundEntry {
	all := make(map[string]boundEntry, len(r.Bindings)+len(r.Left))
	destination := exchangeDirect
	if r.Remote {
		destination = zoneExchange(r.Zone.Zone)
	}
	for _, b := range r.Bindings {
		text, _ := json.Marshal(b)
		all[destination+string(text)] = boundEntry{r.Service, destination, argumentsOf(b)}
	}
	if !r.Remote {
		destination = exchangeUnroutable
	}
	for _, left := range r.Left {
		arguments := amqp.Table{argRegion: r.Zone.Region, argZone: r.Zone.Zone, argWeight: int64(0), argLeft: left}
		all[destination+left] = boundEntry{r.Service, destination, arguments}
	}
	return all
}

// argumentsOf must give the same types always: a binding is removed only by equal arguments.
func argumentsOf(b driver.Binding) amqp.Table {
	t := amqp.Table{argVersion: b.Version, argRegion: b.Region, argZone: b.Zone, argWeight: int64(b.Weight)}
	if b.Instance != "" {
		t[argInstance] = b.Instance
	}
	if b.Salt != "" {
		t[argSalt] = b.Salt
	}
	for k, v := range b.Match {
		t[argMatch+wireKey(k)] = v
	}
	return t
}

// addListed adds a binding of h2 that the management API shows. What nobody of ours made is left alone.
func addListed(records map[recordKey]record, l listedBinding) {
	b, left, ok := bindingOf(l)
	if !ok {
		return
	}
	key := recordKey{l.RoutingKey, driver.Zone{Region: b.Region, Zone: b.Zone}, l.Destination == zoneExchange(b.Zone)}
	r := records[key]
	r.recordKey = key
	if left != "" {
		r.Left = append(r.Left, left)
	} else {
		r.Bindings = append(r.Bindings, b)
	}
	records[key] = r
}

func bindingOf(l listedBinding) (b driver.Binding, left string, ok bool) {
	a := l.Arguments
	argument := func(name string) string { s, _ := a[name].(string); return s }
	b = driver.Binding{
		Service: l.RoutingKey, Instance: argument(argInstance), Version: argument(argVersion),
		Region: argument(argRegion), Zone: argument(argZone), Salt: argument(argSalt), Weight: 1,
	}
	if weight, found := a[argWeight].(float64); found {
		b.Weight = uint32(max(0, min(weight, math.MaxUint32)))
	}
	for k, v := range a {
		name, isMatch := strings.CutPrefix(k, argMatch)
		key, isField := fieldKey(name)
		value, isText := v.(string)
		if isMatch && isField && isText {
			if b.Match == nil {
				b.Match = map[string]string{}
			}
			b.Match[key] = value
		}
	}
	left = argument(argLeft)
	remote := l.Destination == zoneExchange(b.Zone)
	ours := remote || (left != "" && l.Destination == exchangeUnroutable) || (left == "" && b.Instance != "" && l.Destination == exchangeDirect)
	return b, left, ours && l.DestinationType == "exchange"
}

// recordsOf groups what Apply was given for zone z by service, and checks it.
func recordsOf(z driver.Zone, bindings []driver.Binding) (map[recordKey]record, error) {
	all := map[recordKey]record{}
	for _, b := range bindings {
		if err := checkBinding(z, b); err != nil {
			return nil, err
		}
		key := recordKey{Service: b.Service, Zone: z}
		r := all[key]
		r.recordKey = key
		r.Bindings = append(r.Bindings, b)
		all[key] = r
	}
	return all, nil
}

func checkBinding(z driver.Zone, b driver.Binding) error {
	if b.Service == "" || b.Instance == "" || len(b.Service) > driver.MaxName || len(b.Instance) > driver.MaxName {
		return fault.New(fault.BadRequest, driver.ReasonBadBinding,
			"binding of service %.40q to instance %.40q: both must be named, in %d bytes at most", b.Service, b.Instance, driver.MaxName)
	}
	if b.Region != z.Region || b.Zone != z.Zone {
		return fault.New(fault.BadRequest, driver.ReasonBadBinding,
			"binding of %s is in %s/%s and cannot be applied to %s", b.Instance, b.Region, b.Zone, z)
	}
	longest := max(len(b.Version), len(b.Region), len(b.Zone), len(b.Salt))
	for k, v := range b.Match {
		longest = max(longest, len(v))
		if k == "" || len(k) > maxMatch {
			return fault.New(fault.BadRequest, driver.ReasonBadBinding,
				"binding of %s matches a header whose name has %d bytes: want 1 to %d", b.Instance, len(k), maxMatch)
		}
		if inward(k) {
			return fault.New(fault.BadRequest, driver.ReasonBadBinding,
				"binding of %s matches the header %s, which on RabbitMQ the receiver sees and the exchange does not", b.Instance, k)
		}
	}
	if longest > maxArgument {
		return fault.New(fault.BadRequest, driver.ReasonBadBinding,
			"binding of %s has a value of %d bytes: the exchange takes %d at most", b.Instance, longest, maxArgument)
	}
	return nil
}

func compareBindings(a, b driver.Binding) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
}

// sortedKeys brings keys into one order, so that equal changes are made equally.
func sortedKeys(records map[recordKey]record) []recordKey {
	return slices.SortedFunc(maps.Keys(records), func(a, b recordKey) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Zone.String(), b.Zone.String()))
	})
}
