package platform

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	liveconfig "github.com/hansom-platform/hansom/platform/config"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// Where an instance has its configuration from, as the built-in endpoint config
// says.
const (
	configFromBus  = "bus"
	configFromHTTP = "http"
	configFromDisk = "disk"
	configFromNone = "none"
)

// ConfigSource compiles a service's configuration. kernel.config's own server is
// one, and so is a client of it.
type ConfigSource interface {
	Compile(ctx context.Context, r *configpb.CompileRequest) (*configpb.CompileResponse, error)
}

// Configure replaces where the configuration comes from: neither disk nor HTTP nor
// the bus is asked then, and nothing is kept on disk. It is asked at the start and
// whenever kernel.config tells of a change. kernel.config uses it to read itself.
func Configure(c ConfigSource) Option {
	return serviceOption(func(cfg *config) { cfg.configSource = c })
}

// ConfigCache sets the folder in which the last good configuration is kept, with the
// secrets in it, readable by its owner only; "" keeps none. The default is
// HANSOM_CACHE, else "hansom" in the user's folder for caches; in tests it is "".
func ConfigCache(dir string) Option {
	return serviceOption(func(cfg *config) { cfg.configCache = dir })
}

func defaultConfigCache() string {
	if dir := os.Getenv("HANSOM_CACHE"); dir != "" {
		return dir
	}
	if testing.Testing() { // what a real service has left there must not change a test
		return ""
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "" // a service without a home starts without a last good configuration
	}
	return filepath.Join(dir, "hansom")
}

// environment names the environment whose layers hold: that of the credential, else
// HANSOM_ENV.
func (l *life) environment() string {
	if l.login != nil {
		return l.login.credential.Environment
	}
	return orDefault(os.Getenv("HANSOM_ENV"), "local")
}

// configuration keeps an instance's values as kernel.config has them.
type configuration struct {
	*Service
	values *liveconfig.Values
	layers *configpb.Layers
	own    map[string]bool // ids of the layers
	bus    ConfigSource    // or what replaces it
	http   ConfigSource    // nil without HANSOM_CONFIG
	cache  configCache

	wake chan struct{} // there is something to do, or to try again
	done sync.WaitGroup
	end  context.CancelFunc

	mu      sync.Mutex
	due     bool   // kernel.config must be asked
	wanted  uint64 // at least this revision
	heard   uint64 // newest revision that the values are judged by, 0: none yet
	behind  int    // announcements in a row of older revisions than heard
	refused bool   // the newest document could not be taken
	from    string
	at      time.Time
	problem string
}

func newConfiguration(s *Service) *configuration {
	c := &configuration{
		Service: s,
		values:  liveconfig.New(),
		wake:    make(chan struct{}, 1),
		from:    configFromNone,
		due:     true,
	}
	c.values.SetLogger(s.log)
	if c.bus = s.config.configSource; c.bus == nil {
		c.bus = busConfig{s.Client}
		c.http = newHTTPConfig(s)
	}
	return c
}

// busConfig asks kernel.config over the bus. Middleware has no part in it, and no
// breaker is kept where there is no kernel.config.
type busConfig struct{ *Client }

// Compile implements ConfigSource.
func (b busConfig) Compile(ctx context.Context, r *configpb.CompileRequest) (*configpb.CompileResponse, error) {
	x := newExchange()
	defer x.release()
	e, answer := configpb.ConfigCompile, new(configpb.CompileResponse)
	body, err := proto.MarshalOptions{}.MarshalAppend(x.body[:0], r)
	if err != nil {
		return nil, fault.Wrap(err, fault.BadRequest, "platform.encode", "the request to %s %s cannot be encoded", e.Service, e.Name)
	}
	x.body, x.response = body, answer
	if err := b.exchange(ctx, b.targets.guess(e.Service, e.Name), limitsOf(e), x); err != nil {
		return nil, err
	}
	return answer, nil
}

// Config returns the service's configuration, which Run fills and keeps up to date.
// The contexts of handlers, of OnStart, of Background and of events carry it.
func (s *Service) Config() *liveconfig.Values { return s.configuration.values }

// of says which layers the values are compiled from.
func (c *configuration) of(environment, region string) {
	c.layers = &configpb.Layers{Service: c.name, Region: region, Environment: environment}
	c.own = map[string]bool{}
	for _, layer := range []string{"base", "region/" + region, "env/" + environment} {
		c.own[layer], c.own[layer+"/"+c.name] = true, true
	}
	if c.config.configSource == nil {
		c.cache = newConfigCache(c.config.configCache, c.layers)
	}
}

// load takes the last good configuration from disk, and a newer one by HTTP. It comes
// before the bus.
func (c *configuration) load(ctx context.Context) {
	if err := c.fromDisk(); err != nil {
		c.log.WarnContext(ctx, "the configuration kept on disk is ignored", "file", c.cache.path, "error", err)
	}
	if c.http == nil {
		return
	}
	if err := c.refresh(ctx, c.http, configFromHTTP); err != nil {
		c.log.WarnContext(ctx, "no configuration by HTTP (HANSOM_CONFIG)", "error", err)
	}
}

func (c *configuration) fromDisk() error {
	kept, err := c.cache.read()
	if kept == nil || err != nil {
		return err
	}
	if err := c.values.Set(kept.Document, kept.Revision, kept.Hash); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from, c.at = configFromDisk, time.Now()
	return nil
}

// join asks over the bus, once, and then follows the changes until leave.
func (c *configuration) join(ctx context.Context) {
	err := c.refresh(ctx, c.bus, configFromBus)
	from := c.report().GetSource()
	log := c.log.With("source", from, "revision", c.values.Revision())
	switch {
	case err == nil:
		log.InfoContext(ctx, "configured")
	case from == configFromNone:
		log.InfoContext(ctx, "starting without configuration: defaults hold until kernel.config answers", "error", err)
	case fault.Is(err, fault.NoRoute): // it may be starting, too; follow complains when it never comes
		log.InfoContext(ctx, "starting with the configuration of the last time, until kernel.config is there", "error", err)
	default:
		log.WarnContext(ctx, "starting with the configuration of the last time: kernel.config does not answer on the bus", "error", err)
	}
	ctx, c.end = context.WithCancel(ctx)
	c.done.Go(func() { c.follow(ctx) })
}

// leave ends what join began.
func (c *configuration) leave() {
	if c.end != nil {
		c.end()
	}
	c.done.Wait()
}

// configLimit is what one attempt to ask for the configuration may take.
const configLimit = 2 * time.Second

// refresh asks a source and takes over what it says. It returns an error where it
// is worth asking again.
func (c *configuration) refresh(ctx context.Context, source ConfigSource, from string) error {
	ctx, cancel := context.WithTimeout(ctx, configLimit)
	defer cancel()
	c.mu.Lock()
	least := max(c.wanted, c.heard)
	c.mu.Unlock()
	hash := c.values.Hash()
	answer, err := source.Compile(ctx, &configpb.CompileRequest{Layers: c.layers, Hash: hash, AtLeast: least})
	if err != nil {
		c.failed(err, least)
		return err
	}
	if err := c.take(answer, from); err != nil {
		return err
	}
	if !answer.GetUnchanged() {
		c.keep(ctx)
	}
	return nil
}

func (c *configuration) failed(err error, least uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = "kernel.config cannot be asked: " + err.Error()
	if least > 0 && fault.Is(err, fault.BadRequest) { // the history is another, from a backup as a rule
		c.wanted, c.heard = 0, 0
	}
}

// take takes an answer over. A document that cannot be taken leaves the last good
// one; asking again would not change that.
func (c *configuration) take(answer *configpb.CompileResponse, from string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer.GetRevision() < c.wanted {
		c.problem = "kernel.config answers with an older revision than it announced"
		return fault.New(fault.Unavailable, "platform.config.behind", "kernel.config answered with revision %d, and announced %d", answer.GetRevision(), c.wanted)
	}
	c.heard, c.wanted, c.due, c.behind = answer.GetRevision(), 0, false, 0
	document, hash := answer.GetDocument(), answer.GetHash()
	if answer.GetUnchanged() {
		document, hash = c.values.Document(), c.values.Hash()
	}
	if err := c.values.Set(document, answer.GetRevision(), hash); err != nil {
		c.refused, c.problem = true, err.Error()
		c.log.Error("a configuration cannot be taken; the last good one holds", "revision", answer.GetRevision(), "error", err)
		return nil
	}
	if !answer.GetUnchanged() || c.at.IsZero() {
		c.at = time.Now()
	}
	c.from, c.refused, c.problem = from, false, ""
	return nil
}

// keep writes the values to disk. What hinders it is no reason to stop.
func (c *configuration) keep(ctx context.Context) {
	c.mu.Lock()
	good := !c.refused
	c.mu.Unlock()
	if !good {
		return
	}
	if err := c.cache.write(kept{c.values.Revision(), c.values.Hash(), c.values.Document()}); err != nil {
		c.log.WarnContext(ctx, "the configuration cannot be kept on disk, for a start without kernel.config; set HANSOM_CACHE to a folder that can be written",
			"file", c.cache.path, "error", err)
	}
}

// report answers the built-in endpoint config.
func (c *configuration) report() *hansompb.ConfigResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &hansompb.ConfigResponse{
		Revision: c.values.Revision(), Hash: c.values.Hash(), Source: c.from, Problem: validUTF8(c.problem),
	}
	if !c.at.IsZero() {
		r.At = timestamppb.New(c.at)
	}
	return r
}
