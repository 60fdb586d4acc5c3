package login

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansom-platform/hansom/platform/auth"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
	"github.com/hansom-platform/hansom/store"
)

// revocation is the stored form of one revocation. Its number is its place in the log.
type revocation struct {
	Number   uint64    `json:"number"`
	Session  string    `json:"session,omitempty"`
	User     string    `json:"user,omitempty"`
	Caller   string    `json:"caller,omitempty"`
	Audience string    `json:"audience,omitempty"`
	Before   time.Time `json:"before"`
	Expires  time.Time `json:"expires"`
}

func (r revocation) rule() auth.Revocation {
	return auth.Revocation{
		Number: r.Number, Session: r.Session, User: r.User, Caller: r.Caller, Audience: r.Audience, Before: r.Before, Expires: r.Expires,
	}
}

func (r revocation) message() *loginpb.Revocation {
	return &loginpb.Revocation{
		Number: r.Number, Session: r.Session, User: r.User, Caller: r.Caller, Audience: r.Audience,
		Before: timestamppb.New(r.Before), Expires: timestamppb.New(r.Expires),
	}
}

// revocationLog is the numbered log of revocations in the store, and a copy of it in memory. All of it is one partition: a
// revocation and the number of the last one are written in one step, so that the numbers have no gaps and go on
// when all revocations have expired.
type revocationLog struct {
	table *store.Table

	mu   sync.Mutex
	live []revocation // by number
	last uint64
}

const revocationsPartition = "revocations"

var lastNumber = store.Key{Partition: revocationsPartition, Clustering: "last"} // sorts after all numbers

func numbered(n uint64) string { return fmt.Sprintf("%020d", n) }

// append writes a revocation and returns it with its number.
func (l *revocationLog) append(ctx context.Context, r revocation) (revocation, error) {
	err := untilSettled("revoke", func() error {
		last, revision, _, err := get[uint64](ctx, l.table, lastNumber)
		if err != nil {
			return err
		}
		r.Number = last + 1
		count := store.CreateOp(lastNumber.Clustering, encode(r.Number))
		if revision != 0 {
			count = store.CompareAndSetOp(lastNumber.Clustering, encode(r.Number), revision)
		}
		_, err = l.table.Batch(ctx, revocationsPartition, store.CreateOp(numbered(r.Number), encode(r), ttl(r.Expires)), count)
		return err
	})
	return r, err
}

// catchUp takes over what was appended by anybody and returns what is new.
func (l *revocationLog) catchUp(ctx context.Context) ([]revocation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, _, _, err := get[uint64](ctx, l.table, lastNumber)
	if err != nil || last == l.last {
		return nil, err
	}
	var news []revocation
	span := store.Range{From: numbered(l.last + 1), To: numbered(last + 1), Limit: store.MaxLimit}
	for r, err := range l.table.All(ctx, revocationsPartition, span) {
		if err != nil {
			return nil, err
		}
		one, err := decode[revocation](r)
		if err != nil {
			return nil, err
		}
		news = append(news, one)
	}
	now := time.Now()
	l.live = slices.DeleteFunc(l.live, func(r revocation) bool { return r.Expires.Before(now) })
	l.live = append(l.live, news...)
	l.last = last
	return news, nil
}

// Sizes of runs of revocations.
const (
	newest = 64   // in a beacon
	maxRun = 5000 // in one answer
)

// since returns the revocations after a number, at most limit of them: the first ones, with Last
// the number of the last that is in it.
func (l *revocationLog) since(number uint64, limit int) *loginpb.Revocations {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, _ := slices.BinarySearchFunc(l.live, number+1, func(r revocation, n uint64) int {
		switch {
		case r.Number < n:
			return -1
		case r.Number > n:
			return 1
		}
		return 0
	})
	run := &loginpb.Revocations{Last: l.last}
	for _, r := range l.live[from:] {
		if len(run.GetList()) == limit {
			run.Last, run.More = run.GetList()[limit-1].GetNumber(), true
			break
		}
		run.List = append(run.List, r.message())
	}
	return run
}

// floor returns before when the identity tokens of a caller for an audience, or for any if that is empty, are revoked;
// what is issued now must not say that it was issued earlier.
func (l *revocationLog) floor(caller, audience string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var floor time.Time
	for _, r := range l.live {
		if r.Session == "" && r.User == "" && (r.Caller == "" || r.Caller == caller) && (r.Audience == "" || audience == "" || r.Audience == audience) && r.Before.After(floor) {
			floor = r.Before
		}
	}
	return floor
}

// newest returns the end of the log.
func (l *revocationLog) newest() *loginpb.Revocations {
	return l.since(l.lastKnown()-min(l.lastKnown(), newest), newest)
}

func (l *revocationLog) lastKnown() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
