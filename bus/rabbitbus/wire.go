package rabbitbus

import (
	"strings"
	"sync"

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

// encodingBlock is the AMQP content encoding of requests and replies: their body is a message in one piece,
// driver.AppendMessage, whose fields are the inward ones. Brokers neither read nor copy what is in it.
const encodingBlock = "h2-block"

// inward tells the fields that only the receiver reads, or everybody in the routing key. All others are AMQP headers, so that bindings can match on them.
func inward(key string) bool {
	switch key {
	case driver.HeaderService, driver.HeaderFrom, driver.HeaderIdentity, driver.HeaderSession, driver.HeaderToken, driver.HeaderBudget, driver.HeaderAttempt,
		driver.HeaderType, driver.HeaderServedBy, driver.HeaderFault, driver.HeaderContentType, driver.HeaderTraceParent, driver.HeaderTraceState:
		return true
	}
	return false
}

const (
	usualFields = 12       // inward ones, at most
	keptBuffer  = 16 << 10 // bytes that a buffer keeps for the next message
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// publishing makes what goes over AMQP for a request or a reply, with the driver's own headers. recycle takes it when
// amqp091-go has handed it to the line, which copies.
func publishing(m *driver.Message, own amqp.Table) amqp.Publishing {
	block := make(driver.Header, 0, usualFields)
	for i := range m.Header {
		if f := &m.Header[i]; inward(f.Key) {
			block = append(block, *f)
		} else {
			own[wireKey(f.Key)] = f.Value
		}
	}
	buf := buffers.Get().(*[]byte)
	return amqp.Publishing{
		Headers:         own,
		ContentEncoding: encodingBlock,
		DeliveryMode:    amqp.Transient,
		Body:            driver.AppendMessage((*buf)[:0], block, m.Body),
	}
}

func recycle(p *amqp.Publishing) {
	if cap(p.Body) <= keptBuffer {
		buffers.Put(&p.Body)
	}
}

// messageOf reads what publishing made, or a message with all its fields in AMQP headers, into m, which keeps the body.
func messageOf(headers amqp.Table, encoding string, body []byte, m *driver.Message) error {
	if encoding != encodingBlock {
		m.Header, m.Body = headerOf(headers), body
		return nil
	}
	if err := driver.ParseMessage(body, m); err != nil {
		return err
	}
	m.Header = appendFields(m.Header, headers)
	return nil
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
	return appendFields(make(driver.Header, 0, len(t)), t)
}

func appendFields(h driver.Header, t amqp.Table) driver.Header {
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
