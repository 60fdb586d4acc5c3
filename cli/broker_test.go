package cli_test

import (
	"errors"
	"net/url"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rogpeppe/go-internal/testscript"
)

// refused tries something as the broker's user of a bus URL, and fails the script if it is let:
//
//	refused url consume|declare|bind|exchange name
func refused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: refused url consume|declare|bind|exchange name")
	}
	at, _, _ := strings.Cut(args[0], "?")
	connection, err := amqp.Dial(at)
	ts.Check(err)
	defer connection.Close()
	ch, err := connection.Channel()
	ts.Check(err)
	err = attempt(ch, args[1], args[2])
	var refusal *amqp.Error
	if !errors.As(err, &refusal) || refusal.Code != amqp.AccessRefused {
		ts.Fatalf("%s %s: got %v; want ACCESS_REFUSED", args[1], args[2], err)
	}
}

func attempt(ch *amqp.Channel, verb, name string) error {
	switch verb {
	case "consume":
		_, err := ch.Consume(name, "", true, false, false, false, nil)
		return err
	case "declare":
		_, err := ch.QueueDeclare(name, false, false, true, false, nil)
		return err
	case "bind":
		return ch.ExchangeBind("h2.direct", "core.other", name, false, amqp.Table{"instance": "mine"})
	case "exchange":
		return ch.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, false, nil)
	}
	return errors.New("want consume, declare, bind or exchange")
}

// management is the parameter of a bus URL that names the management API, without its user.
func management(bus string) string {
	u, err := url.Parse(bus)
	if err != nil {
		return ""
	}
	m, err := url.Parse(u.Query().Get("management"))
	if err != nil {
		return ""
	}
	m.User = nil
	return m.String()
}
