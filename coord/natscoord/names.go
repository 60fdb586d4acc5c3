package natscoord

import (
	"strings"
	"time"
)

// Everything that goes over the wire under a name of ours stands here.
//
// The stream is laid out as a NATS key-value bucket, so that `nats kv` can show
// it: subject $KV.<bucket>.<key>, one message kept per subject, deletion as a purge marker.
// Keys are
//
//	n.<segment>.<segment>…  a node; its value is the node's data
//	s.<session id>          a living session; the value is its ttl, for people
//	b.<connection id>       written by a reader that must know it has read all before
const (
	defaultBucket = "HANSOM_COORD"

	streamPrefix  = "KV_"
	subjectPrefix = "$KV."

	nodeKeys    = "n."
	sessionKeys = "s."
	barrierKeys = "b."

	// headerSession names the session that owns an ephemeral node.
	headerSession = "Hansom-Session"

	// Headers of the server and of its key-value convention (ADR-8, ADR-43).
	headerOperation = "KV-Operation"
	operationPurge  = "PURGE"
	headerRollup    = "Nats-Rollup"
	rollupSubject   = "sub"
	headerMarker    = "Nats-Marker-Reason"
)

const (
	// markerTTL is how long deletions stay visible in the stream. Watches need
	// them only while connected: after a gap they read everything anew.
	markerTTL = time.Minute
	// barrierTTL bounds what a connection that ended without Close leaves behind.
	barrierTTL = 10 * time.Minute
	// consumerIdle is when the server forgets a reader that has gone silent.
	consumerIdle = 30 * time.Second
)

// names builds and reads subjects of one bucket.
type names struct{ bucket string }

func (n names) stream() string             { return streamPrefix + n.bucket }
func (n names) root() string               { return subjectPrefix + n.bucket + "." }
func (n names) all() string                { return n.root() + ">" }
func (n names) session(id string) string   { return n.root() + sessionKeys + id }
func (n names) sessions() string           { return n.root() + sessionKeys + ">" }
func (n names) barrier(conn string) string { return n.root() + barrierKeys + conn }

// A segment may hold dots, which divide tokens in a subject. '=' is legal in a key
// and not in a path, so it stands for them.
var (
	pathToKey = strings.NewReplacer("/", ".", ".", "=")
	keyToPath = strings.NewReplacer(".", "/", "=", ".")
)

func (n names) node(path string) string {
	return n.root() + nodeKeys + pathToKey.Replace(path[1:])
}

// nodesUnder returns the filters that match prefix and everything below it.
func (n names) nodesUnder(prefix string) []string {
	if prefix == "/" {
		return []string{n.root() + nodeKeys + ">"}
	}
	return []string{n.node(prefix), n.node(prefix) + ".>"}
}

// path returns the path of the node that the subject belongs to.
func (n names) path(subject string) (string, bool) {
	key, ok := strings.CutPrefix(subject, n.root()+nodeKeys)
	if !ok {
		return "", false
	}
	return "/" + keyToPath.Replace(key), true
}

// sessionID returns the id of the session that the subject belongs to.
func (n names) sessionID(subject string) (string, bool) {
	return strings.CutPrefix(subject, n.root()+sessionKeys)
}

// bucketRune reports whether r may stand in a bucket's name.
func bucketRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}
