package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/internal/rabbitmq"
)

const (
	exchangeBody       = 256
	exchangePublishers = 4   // channels, two on a connection; as many take what was routed
	exchangeWindow     = 256 // messages under way at most: what a slow exchange has left to do after its turn
	exchangeDrain      = time.Minute
	exchangeTurns      = 20 // of a round: short, so that what is compared runs in the same weather
)

// exchangeSizes are the numbers of services, each with a queue of its own.
var exchangeSizes = []int{10, 1_000, 10_000}

// A way is one exchange under load. All have the same queues behind them and get the same messages.
type way struct {
	name, kind string
	into       string // the exchange that bindings lead to; "" for the services' queues
	arguments  func(service string) amqp.Table
	slow       bool // has one turn of a round: with many services what is under way then takes seconds
}

// stepDirect is what the second step of the platform's own layout goes by.
const stepDirect = "bench.direct"

// ways are the exchanges; the first is what the others are compared with.
var ways = []way{
	{name: "direct", kind: amqp.ExchangeDirect},
	{name: "x-h2", kind: "x-h2", arguments: func(string) amqp.Table { return placeArguments() }},
	{name: "x-h2 by instance", kind: "x-h2", into: stepDirect, arguments: func(service string) amqp.Table {
		a := placeArguments()
		a["instance"] = service
		return a
	}},
	{name: "headers", kind: amqp.ExchangeHeaders, slow: true, arguments: func(service string) amqp.Table {
		return amqp.Table{"x-match": "all", "h2-service": service}
	}},
	{name: "x-random", kind: "x-random", slow: true},
}

// placeArguments are those of an instance in this zone.
func placeArguments() amqp.Table {
	return amqp.Table{"version": "20260102150405", "region": zone.Region, "zone": zone.Zone, "weight": int64(100)}
}

func (w way) exchange() string {
	if w.name == "direct" {
		return stepDirect
	}
	return "bench." + w.name
}

// bind gives a service its binding, without waiting for the broker.
func (w way) bind(ch *amqp.Channel, service string) error {
	var arguments amqp.Table
	if w.arguments != nil {
		arguments = w.arguments(service)
	}
	if w.into != "" {
		return ch.ExchangeBind(w.into, service, w.exchange(), true, arguments)
	}
	return ch.QueueBind(service, service, w.exchange(), true, arguments)
}

// throughput is what went through an exchange, rates and ratios as medians of the turns.
type throughput struct {
	Services  int     `json:"services"`
	Exchange  string  `json:"exchange"`
	PerSecond float64 `json:"messages_per_second"`
	Ratio     float64 `json:"ratio_to_direct"`
	ByCPU     float64 `json:"ratio_to_direct_by_cpu"` // of messages for the same processor time of broker and clients
	CPU       float64 `json:"broker_cpu_ns"`          // for one message: what else the machine does matters less to it
}

// A haul is what came out of an exchange in some time, and what that cost.
type haul struct {
	messages             int64
	took, broker, client time.Duration // the last two of processor time
}

func (h haul) since(e haul) haul {
	return haul{h.messages - e.messages, h.took - e.took, h.broker - e.broker, h.client - e.client}
}

func (h haul) perSecond() float64 { return float64(h.messages) / h.took.Seconds() }

func (h haul) perCPU() float64 { return float64(h.messages) / (h.broker + h.client).Seconds() }

// measureExchanges sends messages through each exchange in turns, one service after the other, with
// all services' bindings there.
func measureExchanges(ctx context.Context, o options) (any, error) {
	if err := o.rabbit.open(ctx); err != nil {
		return nil, err
	}
	y, err := openYard(o.rabbit.broker)
	if err != nil {
		return nil, err
	}
	defer y.close()
	fmt.Printf("  %d B, %d publishers, at most %d messages under way, medians of %d rounds of %v\n\n",
		exchangeBody, exchangePublishers, exchangeWindow, o.rounds, o.duration)
	var all []throughput
	for _, services := range exchangeSizes {
		progress("binding %d services", services)
		if err := y.grow(services); err != nil {
			return nil, err
		}
		found, err := y.compare(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("%d services: %w", services, err)
		}
		for _, t := range found {
			fmt.Printf("  %6d services %-18s %8.0f messages/s %6.3f of direct, by CPU %6.3f; %9v of the broker's CPU%s\n",
				t.Services, t.Exchange, t.PerSecond, t.Ratio, t.ByCPU, time.Duration(t.CPU).Round(100*time.Nanosecond), goalOf(t))
		}
		all = append(all, found...)
	}
	return all, nil
}

func goalOf(t throughput) string {
	if t.Exchange == "x-h2" {
		return " (goal ≥ 0.95 of direct)"
	}
	return ""
}

// A yard is the services' queues, and the channels that load goes in and out by.
type yard struct {
	connections []*amqp.Connection
	publishers  []*amqp.Channel
	consumers   []*amqp.Channel
	services    []string

	broker   int // its process
	opened   time.Time
	received atomic.Int64
	slots    chan struct{} // one is taken by each message under way
}

func openYard(b *rabbitmq.Broker) (*yard, error) {
	y := &yard{broker: b.Nodes()[0].PID(), opened: time.Now(), slots: make(chan struct{}, exchangeWindow)}
	for range 2 {
		for _, channels := range []*[]*amqp.Channel{&y.publishers, &y.consumers} {
			if err := y.connect(b.URL(), exchangePublishers/2, channels); err != nil {
				y.close()
				return nil, err
			}
		}
	}
	for _, w := range ways {
		if err := y.consumers[0].ExchangeDeclare(w.exchange(), w.kind, false, false, false, false, nil); err != nil {
			y.close()
			return nil, fmt.Errorf("declare %s: %w", w.exchange(), err)
		}
	}
	return y, nil
}

func (y *yard) connect(url string, channels int, into *[]*amqp.Channel) error {
	c, err := amqp.Dial(url)
	if err != nil {
		return err
	}
	y.connections = append(y.connections, c)
	for range channels {
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		*into = append(*into, ch)
	}
	return nil
}

func (y *yard) close() {
	for _, c := range y.connections {
		_ = c.Close()
	}
}

// grow adds services until there are so many, each with a queue and a binding at every exchange.
func (y *yard) grow(services int) error {
	for i := len(y.services); i < services; i++ {
		name := "core.s" + strconv.Itoa(i)
		ch := y.consumers[i%len(y.consumers)]
		if _, err := ch.QueueDeclare(name, false, false, true, true, nil); err != nil {
			return err
		}
		for _, w := range ways {
			if err := w.bind(ch, name); err != nil {
				return err
			}
		}
		deliveries, err := ch.Consume(name, "", true, true, false, true, nil)
		if err != nil {
			return err
		}
		go y.take(deliveries)
		y.services = append(y.services, name)
	}
	for _, ch := range y.consumers { // an answer says that all before it is done
		if err := ch.ExchangeDeclarePassive(stepDirect, amqp.ExchangeDirect, false, false, false, false, nil); err != nil {
			return err
		}
	}
	return nil
}

func (y *yard) take(deliveries <-chan amqp.Delivery) {
	for range deliveries {
		y.received.Add(1)
		<-y.slots
	}
}

// compare loads the exchanges in rounds, after one to warm up.
func (y *yard) compare(ctx context.Context, o options) ([]throughput, error) {
	if _, err := y.round(ctx, o.duration); err != nil {
		return nil, err
	}
	hauls := make([][]haul, len(ways))
	for round := range o.rounds {
		progress("%d services, round %d of %d", len(y.services), round+1, o.rounds)
		found, err := y.round(ctx, o.duration)
		if err != nil {
			return nil, err
		}
		for i := range ways {
			hauls[i] = append(hauls[i], found[i]...)
		}
	}
	all := make([]throughput, len(ways))
	for i, w := range ways {
		all[i] = y.summarise(w, hauls[i], hauls[0])
	}
	return all, nil
}

// round loads each exchange in its turns, of d all together, and returns what came out by exchange and turn.
func (y *yard) round(ctx context.Context, d time.Duration) ([][]haul, error) {
	found := make([][]haul, len(ways))
	runtime.GC()
	for turn := range exchangeTurns {
		for i := range ways {
			at := (i + turn) % len(ways) // each goes first as often as the others
			if ways[at].slow && turn > 0 {
				continue
			}
			h, err := y.load(ctx, ways[at], d/exchangeTurns)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ways[at].name, err)
			}
			found[at] = append(found[at], h)
		}
	}
	return found, nil
}

func (y *yard) summarise(w way, hauls, direct []haul) throughput {
	var rates, ratios []float64
	for i, h := range hauls {
		beside := direct[i*len(direct)/len(hauls)] // the direct exchange's turn in the same weather
		rates = append(rates, h.perSecond())
		ratios = append(ratios, h.perSecond()/beside.perSecond())
	}
	all, base := total(hauls), total(direct)
	return throughput{
		len(y.services), w.name, median(rates), median(ratios),
		all.perCPU() / base.perCPU(), float64(all.broker) / float64(all.messages),
	}
}

func total(hauls []haul) (t haul) {
	for _, h := range hauls {
		t = haul{t.messages + h.messages, t.took + h.took, t.broker + h.broker, t.client + h.client}
	}
	t.messages = max(t.messages, 1)
	return t
}

// load has all publishers send for d and returns what came out meanwhile, when the rest is out as well.
func (y *yard) load(ctx context.Context, w way, d time.Duration) (haul, error) {
	loading, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	failed := make(chan error, len(y.publishers))
	before, err := y.count()
	if err != nil {
		return haul{}, err
	}
	for i, ch := range y.publishers {
		go func() { failed <- y.publish(loading, ch, w, i) }()
	}
	<-loading.Done()
	h, err := y.count()
	h = h.since(before)
	for range y.publishers {
		err = errors.Join(err, <-failed)
	}
	if err != nil {
		return h, err
	}
	return h, y.drain(ctx)
}

// count returns what came out since the yard was opened.
func (y *yard) count() (haul, error) {
	broker, err := cpuTime(y.broker)
	client, err2 := cpuTime(os.Getpid())
	return haul{y.received.Load(), time.Since(y.opened), broker, client}, errors.Join(err, err2)
}

// publish sends to every len(y.publishers)th service, from service first on, until ctx ends.
func (y *yard) publish(ctx context.Context, ch *amqp.Channel, w way, first int) error {
	body := make([]byte, exchangeBody)
	for i := first; ; i += len(y.publishers) {
		select {
		case y.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		service := y.services[i%len(y.services)]
		err := ch.PublishWithContext(context.WithoutCancel(ctx), w.exchange(), service, false, false, amqp.Publishing{
			Headers: amqp.Table{"h2-service": service, "h2-zone": zone.String()}, DeliveryMode: amqp.Transient, Body: body,
		})
		if err != nil {
			return err
		}
	}
}

// drain waits until nothing is under way.
func (y *yard) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeDrain)
	defer cancel()
	taken := 0
	defer func() {
		for range taken {
			<-y.slots
		}
	}()
	for ; taken < exchangeWindow; taken++ {
		select {
		case y.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("%d messages did not come out: %w", exchangeWindow-taken, ctx.Err())
		}
	}
	return nil
}
