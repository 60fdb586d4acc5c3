package rabbitbus

import (
	"context"
	"net/url"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

const (
	instanceEta   = "core.eta-0192f0c1-2b3c-7d4e-8f50-112233445566"
	instanceOther = "core.other-0192f0c1-2b3c-7d4e-8f50-112233445566"
)

func TestUsersHaveLeastRights(t *testing.T) {
	if testing.Short() {
		return
	}
	e := startEngine(t, topologies[0])
	admin := e.connect(zoneA)
	user := User{Name: "eta", Password: "p@ss/word", Services: []string{"core.eta"}}
	for range 2 {
		if _, err := AddUser(t.Context(), e.config(zoneA), user); err != nil {
			t.Fatal(err)
		}
	}
	all, err := Users(t.Context(), e.config(zoneA))
	if err != nil || len(all) != 1 || all[0].Name != "eta" || all[0].Permissions != user.Permissions() {
		t.Fatalf("users are %+v, %v; want eta with its permissions", all, err)
	}
	eta := e.connectAs(user)
	t.Run("serves and calls", func(t *testing.T) {
		serveName(t, eta, instanceEta)
		apply(t, admin, bindingOfInstance(zoneA, "core.eta", instanceEta))
		wantAnswer(t, eta, "core.eta", "", instanceEta)
		wantAnswer(t, eta, "core.eta", instanceEta, instanceEta)
	})
	t.Run("publishes and subscribes", func(t *testing.T) { wantEvents(t, eta) })
	for name, forbidden := range map[string]func(*amqp.Channel) error{
		"open another's queue": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(instanceOther, false, false, true, false, nil)
			return err
		},
		"bind its queue to h2": func(ch *amqp.Channel) error {
			return ch.QueueBind(instanceEta, "core.other", exchangeRequests, false, nil)
		},
		"bind an exchange to h2": func(ch *amqp.Channel) error {
			return ch.ExchangeBind(exchangeDirect, "core.other", exchangeRequests, false, amqp.Table{argInstance: instanceEta})
		},
		"read what cannot be routed": func(ch *amqp.Channel) error {
			return ch.QueueBind(instanceEta, "", exchangeUnroutable, false, nil)
		},
		"announce bindings": func(ch *amqp.Channel) error {
			if err := ch.Confirm(false); err != nil {
				return err
			}
			closed := ch.NotifyClose(make(chan *amqp.Error, 1))
			if err := ch.Publish(exchangeBindings, "", false, false, amqp.Publishing{}); err != nil {
				return err
			}
			if refusal := <-closed; refusal != nil {
				return refusal
			}
			return nil
		},
		"take another group's events": func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(groupQueue("core.other", "some.topic"), true, false, false, false, quorum(nil))
			return err
		},
		"delete an exchange": func(ch *amqp.Channel) error { return ch.ExchangeDelete(exchangeTopic, false, false) },
	} {
		t.Run("may not "+name, func(t *testing.T) {
			s, err := eta.session(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ch, err := s.channel(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer release(ch)
			if err := forbidden(ch); !isRefused(err) {
				t.Errorf("got %v; want ACCESS_REFUSED", err)
			}
		})
	}
	t.Run("users of others are left alone", func(t *testing.T) {
		name, _ := e.broker("a").User()
		if err := RemoveUser(t.Context(), e.config(zoneA), name); !fault.Is(err, fault.NotFound) {
			t.Errorf("remove the administrator: got %v; want NotFound", err)
		}
		if err := RemoveUser(t.Context(), e.config(zoneA), "eta"); err != nil {
			t.Errorf("remove eta: %v", err)
		}
	})
}

// connectAs connects to zone a as a user.
func (e *engine) connectAs(u User) *conn {
	e.tb.Helper()
	config := e.config(zoneA)
	at, err := url.Parse(config.URL)
	if err != nil {
		e.tb.Fatal(err)
	}
	at.User = url.UserPassword(u.Name, u.Password)
	config.URL = at.String()
	c, err := open(e.tb.Context(), config)
	if err != nil {
		e.tb.Fatal(err)
	}
	e.tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// wantEvents publishes one event to an ephemeral subscription and a group, which fails it once.
func wantEvents(t *testing.T, c *conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan string, 8)
	for _, group := range []string{"", "core.eta"} {
		s := driver.Subscription{Topic: "eta.changed", Group: group, RetryDelay: 10 * time.Millisecond, MaxDeliver: 2}
		consumer, err := c.Subscribe(ctx, s, func(_ context.Context, e *driver.Event) error {
			got <- group
			if group != "" {
				return fault.New(fault.Internal, "test", "it fails")
			}
			return nil
		})
		if err != nil {
			t.Fatalf("subscribe as group %q: %v", group, err)
		}
		defer func() { _ = consumer.Close() }()
	}
	if err := c.Publish(ctx, "eta.changed", &driver.Message{Body: []byte("1")}); err != nil {
		t.Fatalf("publish: %v", err)
	}
	counts := map[string]int{}
	for range 3 {
		select {
		case group := <-got:
			counts[group]++
		case <-ctx.Done():
			t.Fatalf("deliveries are %v; want one to the ephemeral subscription and two to the group", counts)
		}
	}
	until(t, 10*time.Second, "the event is among the dead letters", func() bool {
		letters, err := c.DeadLetters(ctx, "core.eta", 10)
		return err == nil && len(letters) == 1
	})
}
