package why

import (
	"cmp"
	"slices"
	"time"

	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// call is one call, as far as both sides remember it.
type call struct {
	client   *hansompb.Hop // as the caller saw it; nil where no instance remembers
	server   *hansompb.Hop // as the instance that handled it saw it; nil where none did or remembers
	children []*call       // made while it was handled, in order of time
}

// best is the side that knows more: who handled it is only sure on its own side.
func (c *call) best() *hansompb.Hop {
	if c.server != nil {
		return c.server
	}
	return c.client
}

// outer is the side that began first.
func (c *call) outer() *hansompb.Hop {
	if c.client != nil {
		return c.client
	}
	return c.server
}

func (c *call) start() time.Time { return c.outer().GetStart().AsTime() }

// tree joins the sides of each call, by span id, and returns the calls that no
// remembered call made.
func tree(hops []*hansompb.Hop) []*call {
	byClient := map[string]*call{} // span of the client's side
	byServer := map[string]*call{} // span of the server's side
	var all []*call
	for _, h := range hops {
		if h.GetServer() || byClient[h.GetSpanId()] != nil {
			continue
		}
		c := &call{client: h}
		byClient[h.GetSpanId()] = c
		all = append(all, c)
	}
	for _, h := range hops {
		if !h.GetServer() || byServer[h.GetSpanId()] != nil {
			continue
		}
		c := byClient[h.GetParentId()]
		if c == nil || c.server != nil {
			c = &call{}
			all = append(all, c)
		}
		c.server = h
		byServer[h.GetSpanId()] = c
	}
	return arrange(all, byServer)
}

func arrange(all []*call, byServer map[string]*call) []*call {
	slices.SortStableFunc(all, func(a, b *call) int { return cmp.Compare(a.start().UnixNano(), b.start().UnixNano()) })
	var roots []*call
	for _, c := range all {
		parent := byServer[c.outer().GetParentId()]
		if parent == nil || parent == c {
			roots = append(roots, c)
			continue
		}
		parent.children = append(parent.children, c)
	}
	return roots
}
