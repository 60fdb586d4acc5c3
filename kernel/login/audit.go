package login

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// auditKept is how long audit records are kept.
const auditKept = 400 * 24 * time.Hour

const outcomeOK = "ok"

// entry is the stored form of an audit record.
type entry struct {
	ID      string            `json:"id"`
	At      time.Time         `json:"at"`
	Action  string            `json:"action"`
	Actor   string            `json:"actor,omitempty"`
	Subject string            `json:"subject,omitempty"`
	Outcome string            `json:"outcome"`
	Source  string            `json:"source,omitempty"`
	Trace   string            `json:"trace,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
}

func (e entry) message() *loginpb.AuditRecord {
	return &loginpb.AuditRecord{
		Id: e.ID, At: timestamppb.New(e.At), Action: e.Action, Actor: e.Actor, Subject: e.Subject,
		Outcome: e.Outcome, Source: e.Source, TraceId: e.Trace, Detail: e.Detail,
	}
}

// auditLog is append-only: a partition for each day (UTC), in it records by time, and a partition that lists the days.
type auditLog struct {
	table *store.Table

	mu   sync.Mutex
	day  string    // that is listed already
	last time.Time // times of records of one instance differ, so that a page can end between any two
}

const (
	daysPartition = "days"
	dayFormat     = "2006-01-02"
	timeFormat    = "2006-01-02T15:04:05.000000000Z"
)

func (l *auditLog) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now().UTC()
	if !now.After(l.last) {
		now = l.last.Add(1)
	}
	l.last = now
	return now
}

// add writes one record.
func (l *auditLog) add(ctx context.Context, e entry) error {
	e.At = l.now()
	e.ID = e.At.Format(timeFormat) + "-" + rand.Text()[:8]
	if e.Trace == "" {
		e.Trace = platform.TraceID(ctx)
	}
	day := e.At.Format(dayFormat)
	if err := l.listDay(ctx, day); err != nil {
		return err
	}
	_, err := l.table.Create(ctx, store.Key{Partition: "day/" + day, Clustering: e.ID}, encode(e), store.TTL(auditKept))
	return err
}

func (l *auditLog) listDay(ctx context.Context, day string) error {
	l.mu.Lock()
	listed := l.day == day
	l.mu.Unlock()
	if listed {
		return nil
	}
	if _, err := l.table.Put(ctx, store.Key{Partition: daysPartition, Clustering: day}, nil, store.TTL(auditKept)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.day = day
	return nil
}

// list returns records from before a time, newest first, and whether there are more. A subject selects those in
// which it is subject or actor.
func (l *auditLog) list(ctx context.Context, before time.Time, subject string, limit int) (found []entry, more bool, err error) {
	before = before.UTC()
	lastDay := before.Format(dayFormat)
	days := store.Range{Reverse: true, To: lastDay + "\x01"}
	for d, err := range l.table.All(ctx, daysPartition, days) {
		if err != nil {
			return nil, false, err
		}
		span := store.Range{Reverse: true, To: before.Format(timeFormat)}
		for r, err := range l.table.All(ctx, "day/"+d.Key.Clustering, span) {
			if err != nil {
				return nil, false, err
			}
			e, err := decode[entry](r)
			if err != nil {
				return nil, false, err
			}
			if subject != "" && e.Subject != subject && e.Actor != subject {
				continue
			}
			if len(found) == limit {
				return found, true, nil
			}
			found = append(found, e)
		}
	}
	return found, false, nil
}

// outcome is the word of an audit record for how something ended.
func outcome(err error) string {
	if err == nil {
		return outcomeOK
	}
	return fault.ReasonOf(err)
}

// audited adds a record of what was done, or denied. What cannot be recorded is
// answered with an error, although it may be done.
func (r *realm) audited(ctx context.Context, e entry, done error) error {
	e.Outcome = outcome(done)
	if e.Actor == "" {
		e.Actor = actor(ctx)
	}
	err := r.audit.add(context.WithoutCancel(ctx), e)
	if err != nil {
		r.log.ErrorContext(ctx, "an audit record could not be written", "action", e.Action, "actor", e.Actor, "subject", e.Subject,
			"outcome", e.Outcome, "error", err)
		if done == nil {
			return fault.Wrap(err, fault.Unavailable, "kernel.login.audit", "%s: it may be done, but could not be recorded", e.Action)
		}
	}
	return done
}
