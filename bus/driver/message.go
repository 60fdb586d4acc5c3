package driver

import "slices"

// MaxBody is the largest body a message may have, in bytes. Every engine is set
// up to take it, with 64 KiB on top for the header.
const MaxBody = 1 << 20

// MaxHeader is the largest sum of all keys and values that a header may have, in bytes.
const MaxHeader = 32 << 10

// MaxName is the longest name of a topic, an instance, a service or a group, in
// bytes: names on AMQP end at 255, of which drivers need some themselves.
const MaxName = 200

// A Field is one metadata header of a message. A key is 1 to 128 printable ASCII
// characters without space or colon. A value is UTF-8 text of any characters,
// and may be empty. Neither is changed on the way.
type Field struct{ Key, Value string }

// Header is a message's metadata: few fields, each key at most once, compared
// byte by byte, in no order that counts. A slice, because a message has about
// eight of them and a map would cost more than the rest of a call.
type Header []Field

// Get returns the value of key, or "".
func (h Header) Get(key string) string {
	for i := range h {
		if h[i].Key == key {
			return h[i].Value
		}
	}
	return ""
}

// Set sets key to value, replacing what was there.
func (h *Header) Set(key, value string) {
	for i := range *h {
		if (*h)[i].Key == key {
			(*h)[i].Value = value
			return
		}
	}
	*h = append(*h, Field{key, value})
}

// Del removes key.
func (h *Header) Del(key string) {
	*h = slices.DeleteFunc(*h, func(f Field) bool { return f.Key == key })
}

// Clone returns a copy that shares nothing with h.
func (h Header) Clone() Header { return slices.Clone(h) }

// A Message is what travels over the bus.
type Message struct {
	Header Header
	Body   []byte
}

// A Binding says: messages for Service whose header has every field of Match may
// go to the queue of Instance, with this weight. Fields that only receivers read, such as HeaderToken,
// are not for matching: an engine may not see them, and its driver then refuses the binding.
type Binding struct {
	Service  string            `json:"service"`
	Instance string            `json:"instance"`
	Version  string            `json:"version"`
	Region   string            `json:"region"`
	Zone     string            `json:"zone"`
	Match    map[string]string `json:"match,omitempty"`
	Weight   uint32            `json:"weight"`         // 0: never chosen
	Salt     string            `json:"salt,omitempty"` // the split's salt, the same in all bindings of a service
}

// A Zone names one zone of one region.
type Zone struct {
	Region string `json:"region"`
	Zone   string `json:"zone"`
}

// String returns "region/zone".
func (z Zone) String() string { return z.Region + "/" + z.Zone }
