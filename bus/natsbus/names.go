package natsbus

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/hansom-platform/hansom/bus/driver"
)

// Everything that is named on the engine.
const (
	bucketBindings = "h2_bindings" // key-value bucket, one key per region, zone and service
	streamEvents   = "H2_EVENTS"   // what is published, until every group has it
	streamDead     = "H2_DEAD"     // what groups gave up

	prefixQueue = "h2.q."     // h2.q.<instance>: the queue of an instance
	prefixTopic = "h2.t."     // h2.t.<topic>: events
	prefixDead  = "h2.dead."  // h2.dead.<group>: dead letters
	prefixAgain = "h2.again." // h2.again.<consumer>.<topic>: replayed events, for one group
	prefixInbox = "h2.r."     // h2.r.<connection>.<sequence>: replies

	queueGroup = "h2" // should two connections ever open one queue, each message still has one receiver
)

// Fields that a dead letter carries in front of those of its event.
const (
	deadGroup    = "h2-dead-group"
	deadTopic    = "h2-dead-topic"
	deadPattern  = "h2-dead-pattern" // the topic that the group subscribed to
	deadReason   = "h2-dead-reason"
	deadAttempts = "h2-dead-attempts"
	deadAt       = "h2-dead-at" // RFC 3339 with nanoseconds
)

func queueSubject(instance string) string { return prefixQueue + escape(instance, true) }

func topicSubject(topic string) string { return prefixTopic + topic }

func deadSubject(group string) string { return prefixDead + escape(group, false) }

// maxConsumer is the longest name that JetStream takes for a consumer.
const maxConsumer = 255

// consumerName is unambiguous: an escape never holds "=t". Of a name that JetStream
// does not take, a digest stands for the end.
func consumerName(group, topic string) string {
	name := escape(group, false) + "=t=" + escape(topic, false)
	if len(name) <= maxConsumer {
		return name
	}
	digest := sha256.Sum256([]byte(name))
	end := "=d=" + hex.EncodeToString(digest[:])
	return name[:maxConsumer-len(end)] + end
}

// againSubject is where a group's consumer takes replayed events of topic.
func againSubject(consumer, topic string) string { return prefixAgain + consumer + "." + topic }

func zonePrefix(z driver.Zone) string {
	return escape(z.Region, false) + "." + escape(z.Zone, false) + "."
}

func bindingsKey(z driver.Zone, service string) string {
	return zonePrefix(z) + escape(service, true)
}

// escape makes s a subject token, or with dotted several of them: every byte
// outside letters, digits, "-" and "_" becomes "=" and two hexadecimal digits, the
// dots between words excepted. The empty string becomes "=".
func escape(s string, dotted bool) string {
	if s == "" {
		return "="
	}
	i := 0
	for i < len(s) && plain(s, i, dotted) {
		i++
	}
	if i == len(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	out.WriteString(s[:i])
	for ; i < len(s); i++ {
		if plain(s, i, dotted) {
			out.WriteByte(s[i])
			continue
		}
		out.Write([]byte{'=', digits[s[i]>>4], digits[s[i]&15]})
	}
	return out.String()
}

func plain(s string, i int, dotted bool) bool {
	switch c := s[i]; {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		return true
	case c == '.':
		return dotted && i > 0 && i < len(s)-1 && s[i-1] != '.'
	}
	return false
}

// unescape undoes escape of one token. What escape did not make stays as it is.
func unescape(s string) string {
	if s == "=" {
		return ""
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if b, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out.WriteByte(byte(b))
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
