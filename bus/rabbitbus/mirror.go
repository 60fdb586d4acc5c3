package rabbitbus

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	rereadEvery   = 30 * time.Second // what announcements missed is found by then
	rereadFailing = time.Second
)

// A mirror is what exchange h2 has bound, as the broker said once and announcements say since. A
// connection starts its mirror when it first acts as a keeper.
type mirror struct {
	start   turn
	started atomic.Bool
	loads   turn // one reading of the broker at a time

	mu       sync.Mutex
	records  map[recordKey]record
	places   map[string]driver.Zone // instances of other zones
	told     map[recordKey][]string // the instances of places, by who told
	zones    []string               // other zones that live
	recent   []recordKey            // changed while the broker is being read
	reading  bool
	loaded   bool
	doubtful bool // an attempt to change bindings failed half way
	hook     func(changed []record)
	asked    func()
	barriers map[string]chan struct{}
	number   uint64

	table atomic.Pointer[driver.Table]
	ear   atomic.Pointer[ear]
}

// An ear is the queue of announcements of one session.
type ear struct {
	ctx     context.Context
	session *session
	queue   string
}

// An announcement tells the keepers on a broker what changed.
type announcement struct {
	From      string         `json:"from"` // which connection; it knows what it announces
	Records   []record       `json:"records,omitempty"`
	Instances []inhabitation `json:"instances,omitempty"`
	Living    *[]string      `json:"living,omitempty"` // the other zones that can be reached
	Ask       bool           `json:"ask,omitempty"`    // the joiner shall tell all Instances again
	Barrier   string         `json:"barrier,omitempty"`
}

// An inhabitation lists a service's instances in another zone.
type inhabitation struct {
	recordKey
	IDs []string `json:"ids"`
}

// follow starts the mirror and returns when it holds what is bound.
func (c *conn) follow(ctx context.Context) error {
	m := &c.keeper.mirror
	if m.started.Load() {
		return nil
	}
	give, err := m.start.take(ctx, "a first reading of the bindings")
	if err != nil {
		return err
	}
	defer give()
	if m.started.Load() {
		return nil
	}
	again := make(chan struct{}, 1)
	_, err = c.keep(ctx, "following the bindings", again, func(ctx context.Context, s *session) error {
		return c.listen(ctx, s, again)
	})
	if err != nil {
		return err
	}
	m.started.Store(true)
	c.tasks.Go(c.reread)
	return nil
}

// listen hears announcements on session s, and then reads what is bound.
func (c *conn) listen(ctx context.Context, s *session, again chan<- struct{}) error {
	ch, err := s.channel(ctx)
	if err != nil {
		return err
	}
	deliveries, queue, err := hear(ctx, ch, exchangeBindings, "", nil)
	if err != nil {
		return engineError(err, "announce changes of bindings")
	}
	m := &c.keeper.mirror
	m.doubt() // it may be another broker, or this one may have lost what it had not stored
	m.ear.Store(&ear{ctx, s, queue})
	c.tasks.Go(func() {
		defer release(ch)
		c.heed(ctx, deliveries)
		if ctx.Err() == nil {
			again <- struct{}{}
		}
	})
	err = c.load(ctx)
	m.mu.Lock()
	loaded := m.loaded
	m.mu.Unlock()
	if err != nil && loaded {
		c.log.Warn("the bindings could not be read again; going on with those known", "name", c.config.Name, "error", err)
		return nil
	}
	if err != nil {
		release(ch)
		return err
	}
	return c.announce(ctx, announcement{Ask: true})
}

// doubt has the broker read before the mirror is next gone by.
func (m *mirror) doubt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doubtful = true
}

// hear opens an exclusive queue of its own that is bound to exchange. It performs that on ch.
func hear(ctx context.Context, ch *amqp.Channel, exchange, key string, arguments amqp.Table) (<-chan amqp.Delivery, string, error) {
	var q amqp.Queue
	var deliveries <-chan amqp.Delivery
	err := perform(ctx, ch, func() (err error) {
		if q, err = ch.QueueDeclare("", false, true, true, false, arguments); err != nil {
			return err
		}
		if err = ch.QueueBind(q.Name, key, exchange, false, nil); err != nil {
			return err
		}
		deliveries, err = ch.Consume(q.Name, "", true, true, false, false, nil)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return deliveries, q.Name, nil
}

func (c *conn) heed(ctx context.Context, deliveries <-chan amqp.Delivery) {
	for {
		select {
		case <-ctx.Done():
			return
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			var a announcement
			if err := json.Unmarshal(d.Body, &a); err != nil {
				c.log.Warn("an announcement of bindings cannot be read", "name", c.config.Name, "error", err)
				continue
			}
			c.keeper.mirror.heard(c.identity(), a)
		}
	}
}

// heard takes in one announcement.
func (m *mirror) heard(self string, a announcement) {
	if a.Barrier != "" {
		m.lift(a.Barrier)
		return
	}
	if a.From == self {
		return
	}
	m.set(a.Records)
	m.settle(a.Instances)
	m.mu.Lock()
	if a.Living != nil {
		m.zones = *a.Living
	}
	asked := m.asked
	m.mu.Unlock()
	if a.Ask && asked != nil {
		asked()
	}
}

// set takes in changed records.
func (m *mirror) set(changed []record) {
	if len(changed) == 0 {
		return
	}
	m.mu.Lock()
	if m.records == nil {
		m.records = map[recordKey]record{}
	}
	table := m.table.Load()
	for _, r := range changed {
		m.hold(r)
		if table != nil {
			tabulate(table, r)
		}
	}
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		hook(changed)
	}
}

// hold keeps r. The caller holds m.mu.
func (m *mirror) hold(r record) {
	if len(r.Bindings)+len(r.Left) == 0 {
		delete(m.records, r.recordKey)
	} else {
		m.records[r.recordKey] = r
	}
	if m.reading {
		m.recent = append(m.recent, r.recordKey)
	}
}

// tabulate puts r into the table that refusals are explained by.
func tabulate(t *driver.Table, r record) {
	part := r.Zone
	if r.Remote {
		part.Zone += " by its joiner"
	}
	if len(r.Bindings)+len(r.Left) == 0 {
		t.Forget(r.Service, part)
		return
	}
	t.Set(r.Service, part, r.Bindings, r.left())
}

// settle takes in who lives in other zones.
func (m *mirror) settle(all []inhabitation) {
	if len(all) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.places == nil {
		m.places, m.told = map[string]driver.Zone{}, map[recordKey][]string{}
	}
	for _, i := range all {
		for _, id := range m.told[i.recordKey] {
			if m.places[id] == i.Zone {
				delete(m.places, id)
			}
		}
		delete(m.told, i.recordKey)
		if len(i.IDs) > 0 {
			m.told[i.recordKey] = i.IDs
		}
		for _, id := range i.IDs {
			m.places[id] = i.Zone
		}
	}
}

// placeOf says in which other zone an instance lives.
func (m *mirror) placeOf(instance string) (driver.Zone, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	z, ok := m.places[instance]
	return z, ok
}

// living lists the other zones that can be reached.
func (m *mirror) living() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.zones
}

// load reads all that is bound from the broker, which must be the same from beginning to end. What is announced
// meanwhile holds.
func (c *conn) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, managementTimeout)
	defer cancel()
	m := &c.keeper.mirror
	give, err := m.loads.take(ctx, "an earlier reading of the bindings")
	if err != nil {
		return err
	}
	defer give()
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.reading, m.recent = true, nil
	m.mu.Unlock()
	listed, err := c.listBound(ctx)
	if err == nil && (s.ctx.Err() != nil || c.connection.live.Load() != s) {
		err = fault.Wrap(errSessionLost, fault.Unavailable, driver.ReasonLost, "the connection to the bus broke while the bindings were read")
	}
	m.mu.Lock()
	m.reading = false
	if err != nil {
		m.mu.Unlock()
		return err
	}
	for _, key := range m.recent {
		if r, ok := m.records[key]; ok {
			listed[key] = r
		} else {
			delete(listed, key)
		}
	}
	changed := differences(m.records, listed)
	table := &driver.Table{}
	for _, r := range listed {
		tabulate(table, r)
	}
	m.records, m.loaded, m.doubtful = listed, true, false
	m.table.Store(table)
	hook := m.hook
	m.mu.Unlock()
	if hook != nil && len(changed) > 0 {
		hook(changed)
	}
	return nil
}

// listBound reads the records of exchange h2 from the management API.
func (c *conn) listBound(ctx context.Context) (map[recordKey]record, error) {
	api, err := newManagement(c.config)
	if err != nil {
		return nil, err
	}
	defer api.close()
	if err := api.agreesWith(ctx, c.connection.live.Load()); err != nil {
		return nil, err
	}
	listed, err := api.boundTo(ctx, exchangeRequests)
	if err != nil {
		return nil, err
	}
	records := map[recordKey]record{}
	for _, l := range listed {
		addListed(records, l)
	}
	return records, nil
}

// differences lists the records of after that differ from before, and those that are gone as empty ones.
func differences(before, after map[recordKey]record) (changed []record) {
	for key, r := range after {
		if old, ok := before[key]; !ok || !sameEntries(old, r) {
			changed = append(changed, r)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			changed = append(changed, record{recordKey: key})
		}
	}
	return changed
}

func sameEntries(a, b record) bool {
	x, y := a.entries(), b.entries()
	if len(x) != len(y) {
		return false
	}
	for k := range x {
		if _, ok := y[k]; !ok {
			return false
		}
	}
	return true
}

// reread reads the broker again and again, for what no announcement told.
func (c *conn) reread() {
	for wait := rereadEvery; pause(c.ctx, wait); {
		wait = rereadEvery
		s, err := c.awaitSession(c.ctx)
		if err != nil {
			return
		}
		if err := c.load(s.ctx); err != nil {
			wait = rereadFailing
		}
	}
}

// barrier returns when every announcement that was confirmed before is taken in.
func (c *conn) barrier(ctx context.Context) error {
	m := &c.keeper.mirror
	e := m.ear.Load()
	if e == nil || e.ctx.Err() != nil {
		return errDisconnected(nil)
	}
	passed := make(chan struct{})
	m.mu.Lock()
	m.number++
	name := strconv.FormatUint(m.number, 10)
	if m.barriers == nil {
		m.barriers = map[string]chan struct{}{}
	}
	m.barriers[name] = passed
	m.mu.Unlock()
	defer m.lift(name)
	body, _ := json.Marshal(announcement{Barrier: name})
	if err := e.session.reply(ctx, target{amqp.DefaultExchange, e.queue}, amqp.Publishing{Body: body}); err != nil {
		return err
	}
	select {
	case <-passed:
		return nil
	case <-e.ctx.Done():
		return errDisconnected(e.ctx.Err())
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, driver.ReasonEngine, "the broker did not hand over its announcements in time")
	}
}

// lift ends a barrier, which was heard or is waited for no longer.
func (m *mirror) lift(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if waiting := m.barriers[name]; waiting != nil {
		delete(m.barriers, name)
		close(waiting)
	}
}

// awaitEar waits until announcements are heard on the present session.
func (m *mirror) awaitEar(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if e := m.ear.Load(); e != nil && e.ctx.Err() == nil {
			return nil
		}
		if !pause(ctx, wait) {
			return fault.Wrap(ctx.Err(), fault.Unavailable, driver.ReasonEngine, "announcements of bindings were not heard on this connection in time")
		}
	}
}

// announced is how many records one announcement carries at most.
const announced = 200

// announce tells every keeper on this broker.
func (c *conn) announce(ctx context.Context, a announcement) error {
	a.From = c.identity()
	records := a.Records
	for {
		a.Records = records[:min(announced, len(records))]
		records = records[len(a.Records):]
		body, err := json.Marshal(a)
		if err != nil {
			return fault.Wrap(err, fault.BadRequest, driver.ReasonBadBinding, "bindings cannot be written as JSON")
		}
		if _, err := c.confirmed(ctx, exchangeBindings, "", false, amqp.Publishing{Body: body}); err != nil {
			return err
		}
		if len(records) == 0 {
			return nil
		}
		a.Instances, a.Living, a.Ask = nil, nil, false
	}
}

// snapshot returns the records that pass, by key.
func (m *mirror) snapshot(pass func(recordKey) bool) map[recordKey]record {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := maps.Clone(m.records)
	maps.DeleteFunc(all, func(k recordKey, _ record) bool { return !pass(k) })
	return all
}
