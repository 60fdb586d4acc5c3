package rabbitbus

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// escapeMark goes before the name of a header that RabbitMQ or this driver would take for its own.
const escapeMark = "="

// wireKey returns the name that the header field key has on AMQP: its own, but for the few
// that mean something to the broker or to this driver.
func wireKey(key string) string {
	if !reserved(key) && !strings.HasPrefix(key, escapeMark) {
		return key
	}
	return escapeMark + key
}

// fieldKey undoes wireKey. ok is false for what is not a field of the message.
func fieldKey(wire string) (key string, ok bool) {
	if strings.HasPrefix(wire, escapeMark) {
		return wire[len(escapeMark):], true
	}
	return wire, !reserved(wire)
}

// reserved tells the headers that brokers read or set (sender-selected distribution, dead
// lettering, federation, quorum queues) and those of this driver.
func reserved(key string) bool {
	switch key {
	case "CC", "BCC", headerZone, headerReply, headerNoRoute:
		return true
	}
	return strings.HasPrefix(key, "x-")
}

// ownFields is the room that a table keeps for the driver's headers.
const ownFields = 2

// tableOf makes the AMQP headers of a message: a long string for each field.
func tableOf(h driver.Header) amqp.Table {
	t := make(amqp.Table, len(h)+ownFields)
	for i := range h {
		t[wireKey(h[i].Key)] = h[i].Value
	}
	return t
}

// headerOf returns the fields of a message that came over AMQP, without those that are the
// driver's or the broker's.
func headerOf(t amqp.Table) driver.Header {
	h := make(driver.Header, 0, len(t))
	for k, v := range t {
		text, isText := v.(string)
		key, isField := fieldKey(k)
		if isText && isField {
			h = append(h, driver.Field{Key: key, Value: text})
		}
	}
	return h
}

// text returns the text of one of the driver's own headers, or "".
func text(t amqp.Table, key string) string {
	s, _ := t[key].(string)
	return s
}

// checkFields refuses what amqp091-go would close the connection for.
func checkFields(h driver.Header) error {
	for i := range h {
		if n := len(h[i].Key); n >= maxShort {
			return fault.New(fault.BadRequest, "bus.bad_header",
				"a header's name has %d bytes: shorten it to less than %d", n, maxShort)
		}
	}
	return nil
}
