package rabbitbus

import "github.com/hansom-platform/hansom/bus/driver"

// The exchanges of the bus, the same on every broker. They are durable.
const (
	exchangeRequests   = "h2"            // x-h2: requests, by service
	exchangeDirect     = "h2.direct"     // direct: to one named queue, by the queue's name
	exchangeTopic      = "h2.topic"      // topic: events, by topic
	exchangeUnroutable = "h2.unroutable" // fanout: what h2 and h2.direct could not route
	exchangeBindings   = "h2.bindings"   // fanout: announcements of changed bindings

	// fanout: marks whose broker it is, by the alternate exchange, which is that zone's arrival. Nothing is sent to it.
	exchangeHome = "h2.home"

	// One for every zone of the region, the own one too. Of another zone: departure, its broker
	// federates from it. Of the own zone: arrival.
	prefixZone       = exchangeRequests + ".zone."
	prefixDirectZone = exchangeDirect + ".zone."
	prefixTopicZone  = exchangeTopic + ".zone."
)

// typeRequests is the type of exchangeRequests, which comes with the plugin rabbitmq_h2_exchange.
const typeRequests = "x-h2"

// prefixReply begins the name of a connection's own queue of replies.
const prefixReply = "h2.reply."

// directReplyTo is RabbitMQ's pseudo-queue of replies to the channel that sent the request
// (https://www.rabbitmq.com/docs/direct-reply-to).
const directReplyTo = "amq.rabbitmq.reply-to"

// Headers that are the driver's own and never reach driver.Header.
const (
	headerZone     = "h2-zone"         // "<region>/<zone>" that the message is routed from
	headerReply    = "h2-reply"        // the sender's own queue of replies
	headerNoRoute  = "h2-no-route"     // replies: a keeper's refusal, the reason of its fault
	headerSought   = "x-h2-sought"     // replies: a keeper has sent it to every zone already
	headerReceived = "x-received-from" // set by a federation link: the message crossed zones
)

// maxShort is the most bytes that AMQP lets a routing key, a queue's name or a header's name have.
const maxShort = 255

func zoneExchange(zone string) string       { return prefixZone + zone }
func directZoneExchange(zone string) string { return prefixDirectZone + zone }
func topicZoneExchange(zone string) string  { return prefixTopicZone + zone }

// zoneOf reads headerZone. Zones' names have no slash, regions' may.
func zoneOf(text string) driver.Zone {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '/' {
			return driver.Zone{Region: text[:i], Zone: text[i+1:]}
		}
	}
	return driver.Zone{}
}
