package city

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

const (
	prefix       = "city/"          // of the documents' ids, before the city's code
	topicChanged = "config.changed" // where kernel.config tells what changed

	refreshInterval = 10 * time.Second // between looks at the documents, should a change go unheard
	loadTimeout     = 2 * time.Second
)

// documents are the cities as kernel.config has them.
type documents struct {
	config *configpb.ConfigClient
	log    *slog.Logger

	loading sync.Mutex // one load at a time, so that an older answer never replaces a newer
	current atomic.Pointer[catalogue]
}

// cities returns all cities, or Unavailable when none were ever read.
func (d *documents) cities() (*catalogue, error) {
	if c := d.current.Load(); c != nil {
		return c, nil
	}
	return nil, fault.New(fault.Unavailable, "core.city.not_loaded", "the cities are not known yet: kernel.config has not answered")
}

func (d *documents) check(context.Context) error {
	_, err := d.cities()
	return err
}

// start loads the cities. An instance starts without the config service too.
func (d *documents) start(ctx context.Context) error {
	if err := d.load(ctx); err != nil {
		d.log.WarnContext(ctx, "starting without cities, as the config service did not answer; trying again", "error", err)
	}
	return nil
}

// hear loads the cities again when one changed.
func (d *documents) hear(ctx context.Context, e *platform.Event) error {
	var changed configpb.Changed
	if err := proto.Unmarshal(e.Message.Body, &changed); err != nil {
		return fault.Wrap(err, fault.BadRequest, "core.city.unreadable_event", "the event on %s cannot be read", e.Topic)
	}
	for _, id := range changed.GetIds() {
		if strings.HasPrefix(id, prefix) {
			return d.load(ctx)
		}
	}
	return nil
}

// refresh looks again at intervals, soon where nothing was loaded.
func (d *documents) refresh(ctx context.Context) error {
	for {
		wait := refreshInterval
		if d.current.Load() == nil {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if err := d.load(ctx); err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "the cities could not be looked up again", "error", err)
		}
	}
}

// load replaces the catalogue. A document that is no city is left out and
// complained of; where it was one before, it stays as it was.
func (d *documents) load(ctx context.Context) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	answer, err := d.config.List(ctx, &configpb.ListRequest{Prefix: prefix, Bodies: true})
	if err != nil {
		return err
	}
	before := d.current.Load()
	if before != nil && before.revision > answer.GetRevision() {
		return nil // of an instance that lags behind
	}
	var cities []City
	for _, doc := range answer.GetDocuments() {
		city, err := parse(strings.TrimPrefix(doc.GetId(), prefix), doc.GetJson())
		if err != nil {
			d.log.ErrorContext(ctx, "a document is no city; mend it with: hansom config edit "+doc.GetId(), "error", err)
			if city, err = before.city(strings.TrimPrefix(doc.GetId(), prefix)); err != nil {
				continue
			}
		}
		cities = append(cities, city)
	}
	d.current.Store(newCatalogue(cities, answer.GetRevision()))
	return nil
}

// read returns one document as kernel.config has it now.
func (d *documents) read(ctx context.Context, code string) (*configpb.Document, error) {
	if !codePattern.MatchString(code) {
		return nil, unknownCity(code, d.current.Load())
	}
	answer, err := d.config.Read(ctx, &configpb.ReadRequest{Id: prefix + code})
	if fault.Is(err, fault.NotFound) {
		return nil, unknownCity(code, d.current.Load())
	}
	return answer.GetDocument(), err
}

// write replaces the document of a city that was last set by the given revision, 0
// for a new one, and returns the configuration's revision, 0 for a dry run.
func (d *documents) write(ctx context.Context, code string, document []byte, expected uint64, c change) (uint64, error) {
	answer, err := d.config.Update(ctx, &configpb.UpdateRequest{
		Message: c.message,
		DryRun:  c.dryRun,
		Edits: []*configpb.Edit{{
			Id: prefix + code, Kind: configpb.Edit_KIND_REPLACE, Json: document,
			ExpectedRevision: expected, CheckRevision: true,
		}},
	})
	if err != nil || c.dryRun {
		return 0, err
	}
	if err := d.load(ctx); err != nil {
		d.log.WarnContext(ctx, "a city was written and could not be looked up again yet", "city", code, "error", err)
	}
	return answer.GetRevision(), nil
}
