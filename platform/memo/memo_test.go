package memo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// source answers with how often it was asked, or with err.
type source struct {
	asked int
	err   error
	takes time.Duration
}

func (s *source) fetch(_ context.Context, key string) (int, error) {
	time.Sleep(s.takes)
	s.asked++
	return s.asked, s.err
}

func want(t *testing.T, m *Memo[string, int], value int) {
	t.Helper()
	got, err := m.Get(t.Context(), "LON")
	if err != nil || got != value {
		t.Errorf("Get(LON): want %d, got %d, %v", value, got, err)
	}
}

func TestAFreshValueIsNotAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{}, (&source{}).fetch)
		want(t, m, 1)
		time.Sleep(time.Minute - time.Nanosecond)
		want(t, m, 1)
		time.Sleep(time.Nanosecond)
		want(t, m, 2)
	})
}

func TestAStaleValueBridgesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		m := New(Config{}, s.fetch)
		want(t, m, 1)
		s.err = fault.New(fault.NoRoute, "bus.no_route", "gone")
		time.Sleep(time.Minute)
		want(t, m, 1)
		want(t, m, 1)
		if s.asked != 2 {
			t.Errorf("want one attempt within the retry interval, got %d", s.asked-1)
		}
		time.Sleep(time.Hour)
		if _, err := m.Get(t.Context(), "LON"); !fault.Is(err, fault.NoRoute) {
			t.Errorf("Get past the stale time: want NO_ROUTE, got %v", err)
		}
	})
}

func TestADefiniteAnswerIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		m := New(Config{}, s.fetch)
		want(t, m, 1)
		s.err = fault.New(fault.NotFound, "core.city.read.unknown_city", "no such city")
		time.Sleep(time.Minute)
		if _, err := m.Get(t.Context(), "LON"); !fault.Is(err, fault.NotFound) {
			t.Errorf("want NOT_FOUND, got %v", err)
		}
		if len(m.slots) != 0 {
			t.Errorf("want unknown keys forgotten, got %d slots", len(m.slots))
		}
	})
}

func TestOnlyOneCallerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: time.Second}
		m := New(Config{}, s.fetch)
		for range 10 {
			go want(t, m, 1)
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.asked != 1 {
			t.Errorf("10 callers at once: want 1 question, got %d", s.asked)
		}
	})
}

func TestAWaitingCallerMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{}, (&source{takes: time.Hour}).fetch)
		go m.Get(context.Background(), "LON") //nolint:errcheck // only occupies the key
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Get(ctx, "LON"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want the caller's deadline, got %v", err)
		}
		time.Sleep(time.Hour)
	})
}
