// Package config is kernel.config: it keeps configuration and serves what each
// service is configured with. Package app runs it; everybody else calls it over the
// bus or HTTP.
//
// # Documents
//
// A document is a JSON object under an id. Layers (base, region/<r>, env/<e>, each for all services
// or for one) are merged into what a service gets; schema/<name> holds what documents must look like;
// all others, such as city/LON, stand for themselves. Every change has an author and a message
// and becomes one revision of a history that is only ever appended to: see package history.
//
// # Consistency
//
// Any number of instances share a store; none leads. A change is judged by the state that it is
// appended to, so expected revisions, schemas and secrets hold whoever else writes. An instance answers
// services from memory, which is as new as its own writes, what it was told of, and at most Interval behind in
// any case; administrators are answered after a look into the store. Every answer carries the
// revision that it is of.
//
// # Secrets
//
// {"$secret": {"value": ..., "for": ["core.eta"]}} is sealed before it is stored and shown only to the services it
// is for. Nobody else is, administrators neither; where they write the hidden form back, what is stored is kept.
package config

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/history"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/auth"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
	"github.com/hansom-platform/hansom/store"
)

// Name is the service's name.
const Name = "kernel.config"

// Config says where an instance stands. The zero value of a field means the default in brackets.
type Config struct {
	Environment string        // whose env/ layers are compiled (local)
	Region      string        // of this instance, for its own configuration (local)
	Listen      string        // address of the HTTP server (":8097"); "none" for none
	Key         []byte        // seals secrets; KeySize bytes, kept outside the store
	Interval    time.Duration // between looks into the store for what others wrote (1 s)
}

func (c Config) withDefaults() Config {
	c.Environment = cmp.Or(c.Environment, "local")
	c.Region = cmp.Or(c.Region, "local")
	c.Listen = cmp.Or(c.Listen, ":8097")
	c.Interval = cmp.Or(c.Interval, time.Second)
	return c
}

// server implements configpb.ConfigServer.
type server struct {
	config  Config
	table   *store.Table
	svc     *platform.Service
	log     *slog.Logger
	sealer  *sealer
	schemas *schemas
	history *history.Log // once ready
	opened  atomic.Bool
	outbox  *outbox

	renderings renderings

	verifier func() *auth.Verifier // of who asks by HTTP
}

// open checks the key and reads the history.
func (s *server) open(ctx context.Context) error {
	var err error
	if s.sealer, err = newSealer(s.config.Key); err != nil {
		return err
	}
	s.schemas = newSchemas(s.sealer)
	if err := s.sealer.checkKey(ctx, s.table); err != nil {
		return err
	}
	if s.history, err = history.Open(ctx, s.table, s.log); err != nil {
		return err
	}
	s.opened.Store(true)
	return nil
}

// ready tells whether the history was read. Before, nothing is to be done with it.
func (s *server) ready() error {
	if s.opened.Load() {
		return nil
	}
	return fault.New(fault.Unavailable, "kernel.config.starting", "this instance of kernel.config has not read its history yet; try again")
}

var _ configpb.ConfigServer = (*server)(nil)
