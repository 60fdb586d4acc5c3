package rabbitbus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// keyJoin is the key in h2.direct of a zone's joiner.
const keyJoin = "h2.join"

const (
	pingEvery  = 500 * time.Millisecond
	checkEvery = 100 * time.Millisecond
	deadAfter  = 2 * time.Second // since the last ping that was answered was sent
)

// A joinMessage goes between the joiners of two zones, over the links that calls take.
type joinMessage struct {
	Kind string        `json:"kind"`
	From string        `json:"from"` // zone
	Sent time.Duration `json:"sent,omitempty"`

	// Of pings: what the sender knows of the receiver. Of others: what the sender's book is, and the revision that Shares begin after.
	Epoch    string  `json:"epoch,omitempty"`
	Revision uint64  `json:"revision,omitempty"`
	Base     uint64  `json:"base,omitempty"`
	Full     bool    `json:"full,omitempty"` // Shares are all there are
	Shares   []share `json:"shares,omitempty"`
}

const (
	kindPing = "ping"
	kindPong = "pong"
	kindPush = "push"
)

// A joiner keeps one zone joined to the others, for one call of Join.
type joiner struct {
	conn  *conn
	begun time.Time
	work  chan struct{} // a peer has changes to bind

	mu      sync.Mutex
	session *session
	ctx     context.Context // of session
	book    *book
	peers   map[string]*peer
}

// A peer is another zone, as its joiner tells.
type peer struct {
	zone     string
	heard    time.Duration // when the last ping that it answered was sent, since begun
	alive    bool
	epoch    string
	revision uint64
	shares   map[recordKey]share
	fresh    map[recordKey]bool // to be bound
	whole    bool               // everything is to be bound anew
	told     bool               // all instances are to be announced
}

// Join implements driver.Keeper.
func (c *conn) Join(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	if !c.prepareZone(ctx) {
		return c.ended()
	}
	j := &joiner{conn: c, begun: time.Now(), work: make(chan struct{}, 1), book: newBook(rand.Text()), peers: map[string]*peer{}}
	for z := range c.config.Zones {
		j.peers[z] = &peer{zone: z, shares: map[recordKey]share{}, fresh: map[recordKey]bool{}}
	}
	c.tasks.Go(func() { j.bindAll(ctx) })
	err := c.whileKept(ctx, "joining the zones", j.start)
	j.leave()
	if err != nil && c.ctx.Err() == nil {
		return err
	}
	return c.ended()
}

func (c *conn) ended() error {
	if c.ctx.Err() != nil {
		return errClosed()
	}
	return nil
}

// prepareZone sets the zone up, or finds that somebody did, before ctx ends.
func (c *conn) prepareZone(ctx context.Context) bool {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		if c.awaitHome(ctx) == nil {
			return false
		}
		report, err := Setup(ctx, c.config)
		if err == nil {
			if len(report.Changes) > 0 {
				c.log.Info("the zone's broker is set up", "zone", c.config.Zone.String(), "changes", strings.Join(report.Changes, "; "))
			}
			return true
		}
		c.log.Warn("the zone's broker cannot be set up from here", "zone", c.config.Zone.String(), "error", err)
		if c.isSetUp(ctx) {
			return true
		}
		pause(ctx, backoff(attempt))
	}
	return false
}

// awaitHome returns a session with a broker of the own zone; nil when ctx ends before.
func (c *conn) awaitHome(ctx context.Context) *session {
	for ctx.Err() == nil {
		s, err := c.awaitSession(ctx)
		if err != nil {
			return nil
		}
		if !s.guest {
			return s
		}
		s.awaitEnd(ctx)
	}
	return nil
}

func (c *conn) isSetUp(ctx context.Context) bool {
	s, err := c.session(ctx)
	if err != nil {
		return false
	}
	for z := range c.config.Zones {
		for _, e := range zoneExchanges(z) {
			if s.checkExchange(ctx, e) != nil {
				return false
			}
		}
	}
	return true
}

// start joins on session s.
func (j *joiner) start(ctx context.Context, s *session, again chan<- struct{}) error {
	c := j.conn
	if s.guest {
		j.leave()
		return nil
	}
	if err := c.follow(ctx); err != nil {
		return err
	}
	ch, err := s.channel(ctx)
	if err != nil {
		return err
	}
	deliveries, _, err := hear(ctx, ch, exchangeDirect, keyJoin, amqp.Table{"x-message-ttl": deadAfter.Milliseconds()})
	if err != nil {
		return engineError(err, "open the queue of the zone's joiner")
	}
	j.begin(ctx, s)
	c.tasks.Go(func() {
		defer release(ch)
		j.listen(ctx, deliveries)
		if ctx.Err() == nil {
			again <- struct{}{}
		}
	})
	c.tasks.Go(func() { j.beat(ctx) })
	return nil
}

// begin gives every peer time to answer on the new session.
func (j *joiner) begin(ctx context.Context, s *session) {
	j.mu.Lock()
	j.session, j.ctx = s, ctx
	for _, p := range j.peers {
		p.heard = max(p.heard, time.Since(j.begun))
	}
	j.mu.Unlock()
	m := &j.conn.keeper.mirror
	m.mu.Lock()
	m.hook, m.asked = j.changed, j.tellAgain
	m.mu.Unlock()
	all := m.snapshot(func(recordKey) bool { return true })
	j.changed(slices.Collect(maps.Values(all)))
	j.wake()
}

// leave has the mirror's changes go untold. Where the broker is another zone's, they are that zone's.
func (j *joiner) leave() {
	m := &j.conn.keeper.mirror
	m.mu.Lock()
	m.hook, m.asked = nil, nil
	m.mu.Unlock()
}

func (j *joiner) wake() {
	select {
	case j.work <- struct{}{}:
	default:
	}
}

// changed pushes what changed in the own zone to the others.
func (j *joiner) changed(records []record) {
	own := map[recordKey]bool{}
	for _, r := range records {
		if !r.Remote && r.Zone.Zone == j.conn.config.Zone.Zone {
			own[r.recordKey] = true
		}
	}
	if len(own) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	present := j.conn.keeper.mirror.snapshot(func(k recordKey) bool { return own[k] })
	for k := range own {
		if _, ok := present[k]; !ok {
			present[k] = record{recordKey: k}
		}
	}
	base := j.book.revision
	if !j.book.enter(slices.Collect(maps.Values(present))) || base == 0 {
		return
	}
	shares, _ := j.book.since(j.book.epoch, base)
	for z := range j.peers {
		j.send(z, joinMessage{Kind: kindPush, Epoch: j.book.epoch, Base: base, Revision: j.book.revision, Shares: shares})
	}
}

// send sends m to zone z's joiner, unless the broker takes nothing: pings ask again for what is missed. The caller
// holds j.mu, so that pushes leave in their order.
func (j *joiner) send(z string, m joinMessage) {
	if j.session.line.shut() {
		return
	}
	m.From = j.conn.config.Zone.Zone
	if err := sendJoin(j.ctx, j.session, z, m); err != nil && j.ctx.Err() == nil {
		j.conn.log.Debug("a message to another zone's joiner was not sent", "zone", z, "error", err)
	}
}

func sendJoin(ctx context.Context, s *session, z string, m joinMessage) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	p := amqp.Publishing{Body: body, DeliveryMode: amqp.Transient, Expiration: "2000"}
	return s.reply(ctx, target{directZoneExchange(z), keyJoin}, p)
}

// beat pings the other zones and notices which do not answer.
func (j *joiner) beat(ctx context.Context) {
	last := -pingEvery
	for ok := true; ok; ok = pause(ctx, checkEvery) {
		now := time.Since(j.begun)
		ping := now-last >= pingEvery
		if ping {
			last = now
		}
		j.mu.Lock()
		for z, p := range j.peers {
			if ping {
				j.send(z, joinMessage{Kind: kindPing, Sent: now, Epoch: p.epoch, Revision: p.revision})
			}
			j.judge(p, now)
		}
		j.mu.Unlock()
	}
}

// judge has the bindings of a zone removed that did not answer in time: also those that an
// earlier joiner made. The caller holds j.mu.
func (j *joiner) judge(p *peer, now time.Duration) {
	if now-p.heard <= deadAfter {
		return
	}
	if p.alive {
		j.conn.log.Warn("another zone does not answer; its services are not called any more", "zone", p.zone)
	}
	if p.alive || j.isBound(p.zone) {
		p.alive, p.whole = false, true
		j.wake()
	}
}

func (j *joiner) isBound(zone string) bool {
	m := &j.conn.keeper.mirror
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, r := range m.records {
		if k.Remote && k.Zone.Zone == zone && len(r.Bindings) > 0 {
			return true
		}
	}
	return false
}

func (j *joiner) listen(ctx context.Context, deliveries <-chan amqp.Delivery) {
	for {
		select {
		case <-ctx.Done():
			return
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			var m joinMessage
			if err := json.Unmarshal(d.Body, &m); err != nil {
				j.conn.log.Warn("a message of another zone's joiner cannot be read", "error", err)
				continue
			}
			j.take(m)
		}
	}
}

// take handles one message of another zone's joiner.
func (j *joiner) take(m joinMessage) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.peers[m.From]
	if p == nil {
		return // a zone that is not listed here
	}
	switch m.Kind {
	case kindPing:
		shares, full := j.book.since(m.Epoch, m.Revision)
		j.send(m.From, joinMessage{
			Kind: kindPong, Sent: m.Sent, Epoch: j.book.epoch, Base: m.Revision, Revision: j.book.revision, Full: full, Shares: shares,
		})
	case kindPong:
		p.heard = max(p.heard, m.Sent)
		p.learn(m)
		if !p.alive && time.Since(j.begun)-p.heard <= deadAfter {
			p.alive, p.whole = true, true
			j.conn.log.Info("another zone answers; its services can be called", "zone", p.zone)
		}
		j.wake()
	case kindPush:
		p.learn(m)
		j.wake()
	}
}

// learn takes in what m says of the zone, unless it begins after what is known or is older.
func (p *peer) learn(m joinMessage) {
	if m.Epoch == "" { // of one who stands in for the joiner
		return
	}
	known := m.Epoch == p.epoch
	if (!m.Full && (!known || m.Base > p.revision)) || (known && m.Revision < p.revision) {
		return
	}
	if m.Full {
		p.shares, p.whole = map[recordKey]share{}, p.whole || !known || m.Revision != p.revision
	}
	p.epoch, p.revision = m.Epoch, m.Revision
	for _, s := range m.Shares {
		if s.Zone.Zone != p.zone {
			continue
		}
		s.Remote = true
		if s.empty() {
			delete(p.shares, s.recordKey)
		} else {
			p.shares[s.recordKey] = s
		}
		p.fresh[s.recordKey] = true
	}
}

// tellAgain has all instances of the other zones announced.
func (j *joiner) tellAgain() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range j.peers {
		p.told = true
	}
	j.wake()
}

// bindAll binds what the peers tell, until ctx ends.
func (j *joiner) bindAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.work:
		}
		if s := j.conn.awaitHome(ctx); s != nil {
			j.bindPeers(ctx, s)
		}
	}
}

// bindPeers binds on session s only: the next one may be with another zone's broker.
func (j *joiner) bindPeers(ctx context.Context, s *session) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	for z := range j.peers {
		if err := j.bindPeer(ctx, z); err != nil {
			if ctx.Err() == nil {
				j.conn.log.Warn("what another zone tells could not be bound; trying again", "zone", z, "error", err)
				pause(ctx, checkEvery)
			}
			j.wake()
		}
	}
}

// bindPeer binds what is to be bound of one zone. That the zone lives, and who lives there, is told first: a direct request may
// follow the first call at once.
func (j *joiner) bindPeer(ctx context.Context, zone string) error {
	wanted, told, tell, undo := j.todo(zone)
	if tell || len(told) > 0 {
		if err := j.tell(ctx, told); err != nil {
			undo()
			return err
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	c := j.conn
	give, err := c.keeper.joins.take(ctx, "an earlier change of bindings")
	if err == nil {
		err = c.rebind(ctx, &c.keeper.joins, wanted)
		give()
	}
	if err != nil {
		undo()
	}
	return err
}

// tell has all keepers of the broker know which zones live, and instances of other zones.
func (j *joiner) tell(ctx context.Context, instances []inhabitation) error {
	living := j.living()
	m := &j.conn.keeper.mirror
	m.settle(instances)
	m.mu.Lock()
	m.zones = living
	m.mu.Unlock()
	return j.conn.announce(ctx, announcement{Instances: instances, Living: &living})
}

// todo takes what is to be bound and announced of one zone; tell says that all are to hear which zones live; undo has it done again.
func (j *joiner) todo(zone string) (wanted map[recordKey]record, told []inhabitation, tell bool, undo func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.peers[zone]
	undo = func() {
		j.mu.Lock()
		p.whole, p.told = true, true
		j.mu.Unlock()
	}
	wanted = map[recordKey]record{}
	for k := range p.fresh {
		if p.alive {
			wanted[k] = recordOf(p.shares, k)
		}
	}
	if p.whole {
		j.wholeOf(p, wanted)
	}
	for k := range wanted {
		told = append(told, p.inhabitation(k))
	}
	if p.told {
		for k := range p.shares {
			told = append(told, p.inhabitation(k))
		}
	}
	tell = p.whole || p.told
	p.fresh, p.whole, p.told = map[recordKey]bool{}, false, false
	return wanted, told, tell, undo
}

// living lists the zones that answer.
func (j *joiner) living() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	zones := []string{}
	for z, p := range j.peers {
		if p.alive {
			zones = append(zones, z)
		}
	}
	slices.Sort(zones)
	return zones
}

func recordOf(shares map[recordKey]share, k recordKey) record {
	if s, ok := shares[k]; ok {
		return s.record()
	}
	return record{recordKey: k}
}

func (p *peer) inhabitation(k recordKey) inhabitation {
	if !p.alive {
		return inhabitation{recordKey: k}
	}
	return inhabitation{k, p.shares[k].Instances}
}

// wholeOf adds all records of a zone. Of a dead one, what was bound has left now. Of one that lives,
// what its services bound here as guests, while their own broker was away, goes too.
func (j *joiner) wholeOf(p *peer, wanted map[recordKey]record) {
	bound := j.conn.keeper.mirror.snapshot(func(k recordKey) bool { return k.Zone.Zone == p.zone })
	now := leftAt(time.Now())
	for k, r := range bound {
		switch {
		case !p.alive && k.Remote && len(r.Bindings) > 0:
			wanted[k] = record{recordKey: k, Left: now}
		case p.alive && p.epoch != "":
			wanted[k] = recordOf(p.shares, k)
		}
	}
	if p.alive && p.epoch != "" {
		for k, s := range p.shares {
			wanted[k] = s.record()
		}
	}
}

// standIn answers another zone's ping where this zone has no joiner just now: the zone lives.
func (c *conn) standIn(ctx context.Context, s *session, d *amqp.Delivery) error {
	var m joinMessage
	if err := json.Unmarshal(d.Body, &m); err != nil {
		return fmt.Errorf("read a message of another zone's joiner: %w", err)
	}
	if m.Kind != kindPing {
		return nil
	}
	if _, listed := c.config.Zones[m.From]; !listed {
		return nil
	}
	return sendJoin(ctx, s, m.From, joinMessage{Kind: kindPong, From: c.config.Zone.Zone, Sent: m.Sent})
}
