package config

import (
	"slices"
	"strings"
	"sync"

	"github.com/hansom-platform/hansom/kernel/config/history"
)

// rendering is a compiled configuration as one reader sees it.
type rendering struct {
	text []byte
	hash string
}

// renderings keeps what was compiled for as long as its layers stay, since after a change all instances of
// a service ask for the same at once. It is memory of the process that secrets are in already for a
// moment, and goes nowhere else.
type renderings struct {
	mu  sync.Mutex
	all map[string]*kept
}

// maxRenderings bounds them: they are dropped all together when there are as many.
const maxRenderings = 2000

// kept is the newest rendering of one list of layers for one reader. Whoever asks while it is made waits.
type kept struct {
	mu        sync.Mutex
	documents []*history.Document
	rendering *rendering
}

// of returns the rendering of layers as they are in a state, made now where they have changed.
func (r *renderings) of(state *history.State, ids []string, reader string, render func() (*rendering, error)) (*rendering, error) {
	k := r.kept(strings.Join(ids, "\n") + "\n\n" + reader)
	documents := documentsOf(state, ids)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rendering != nil && slices.Equal(k.documents, documents) {
		return k.rendering, nil
	}
	made, err := render()
	if err != nil {
		return nil, err
	}
	k.documents, k.rendering = documents, made
	return made, nil
}

func (r *renderings) kept(key string) *kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.all[key]
	if k == nil {
		if r.all == nil || len(r.all) >= maxRenderings {
			r.all = map[string]*kept{}
		}
		k = &kept{}
		r.all[key] = k
	}
	return k
}

func documentsOf(state *history.State, ids []string) []*history.Document {
	all := make([]*history.Document, len(ids))
	for i, id := range ids {
		all[i] = state.Get(id)
	}
	return all
}
