package natscoord

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/coord/driver"
)

// tree is a copy of nodes and sessions as of some sequence of the stream. It is
// not safe for concurrent use.
type tree struct {
	nodes    map[string]driver.Node         // by path, also those of dead sessions
	sessions map[string]struct{}            // the living ones
	owned    map[string]map[string]struct{} // session id to paths
}

func newTree() *tree {
	return &tree{
		nodes:    make(map[string]driver.Node),
		sessions: make(map[string]struct{}),
		owned:    make(map[string]map[string]struct{}),
	}
}

// change is what became of one path.
type change struct {
	node    driver.Node
	present bool
}

// apply takes in one message and returns what changed for observers.
func (t *tree) apply(n names, subject string, r record) []change {
	if path, ok := n.path(subject); ok {
		return t.applyNode(path, r)
	}
	if id, ok := n.sessionID(subject); ok {
		return t.applySession(id, r)
	}
	return nil
}

func (t *tree) applyNode(path string, r record) []change {
	was, existed := t.nodes[path]
	shown := existed && t.alive(was)
	t.drop(path)
	now := r.node(path)
	if r.live {
		t.nodes[path] = now
		if now.Session != "" {
			t.own(now.Session, path)
		}
		if t.alive(now) {
			return []change{{now, true}}
		}
	}
	if shown {
		return []change{{now, false}}
	}
	return nil
}

func (t *tree) applySession(id string, r record) []change {
	_, alive := t.sessions[id]
	if alive == r.live {
		return nil
	}
	var changes []change
	for path := range t.owned[id] {
		n := t.nodes[path]
		if !r.live {
			n.Revision = max(n.Revision, r.seq)
		}
		changes = append(changes, change{n, r.live})
	}
	if r.live {
		t.sessions[id] = struct{}{}
	} else {
		delete(t.sessions, id)
	}
	slices.SortFunc(changes, func(a, b change) int { return byRevision(a.node, b.node) })
	return changes
}

func (t *tree) own(session, path string) {
	if t.owned[session] == nil {
		t.owned[session] = make(map[string]struct{})
	}
	t.owned[session][path] = struct{}{}
}

// drop removes a path from the copy.
func (t *tree) drop(path string) {
	n, ok := t.nodes[path]
	if !ok {
		return
	}
	delete(t.nodes, path)
	if n.Session == "" {
		return
	}
	delete(t.owned[n.Session], path)
	if len(t.owned[n.Session]) == 0 {
		delete(t.owned, n.Session)
	}
}

func (t *tree) alive(n driver.Node) bool {
	if n.Session == "" {
		return true
	}
	_, ok := t.sessions[n.Session]
	return ok
}

// visible returns the existing nodes at and below prefix by revision.
func (t *tree) visible(prefix string) []driver.Node {
	var nodes []driver.Node
	for path, n := range t.nodes {
		if under(prefix, path) && t.alive(n) {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, byRevision)
	return nodes
}

// orphans returns the nodes of dead sessions.
func (t *tree) orphans() []driver.Node {
	var nodes []driver.Node
	for id, paths := range t.owned {
		if _, alive := t.sessions[id]; alive {
			continue
		}
		for path := range paths {
			nodes = append(nodes, t.nodes[path])
		}
	}
	return nodes
}

func byRevision(a, b driver.Node) int { return cmp.Compare(a.Revision, b.Revision) }

// under reports whether path is prefix or lies below it.
func under(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/' || prefix == "/")
}
