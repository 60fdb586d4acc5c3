package login

import (
	"slices"
	"testing"
	"time"

	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

func numbers(run *loginpb.Revocations) []uint64 {
	var all []uint64
	for _, r := range run.GetList() {
		all = append(all, r.GetNumber())
	}
	return all
}

// revokeSome revokes n sessions, each until a time from now.
func (s *site) revokeSome(n int, life time.Duration) {
	s.t.Helper()
	for range n {
		until := time.Now().Add(life)
		if err := s.revoke(s.t.Context(), revocation{Session: newPublicID(), Before: until, Expires: until}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestRevocationsAreNumberedWithoutGaps(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		other := &site{realm: sibling(s), t: t, verifier: s.verifier}
		atOnce(20, func(i int) { []*site{s, other}[i%2].revokeSome(1, time.Hour) })
		other.look()
		want := make([]uint64, 20)
		for i := range want {
			want[i] = uint64(i + 1)
		}
		for i, one := range []*site{s, other} {
			one.look()
			if run := one.revoked.since(0, maxRun); !slices.Equal(numbers(run), want) || run.GetLast() != 20 {
				t.Errorf("instance %d knows %v, last %d; want 1 to 20", i, numbers(run), run.GetLast())
			}
		}
	})
}

func TestNumbersGoOnWhenAllRevocationsExpired(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.revokeSome(3, time.Hour)
		pass(2 * time.Hour)
		fresh := &site{realm: sibling(s), t: t, verifier: s.verifier}
		fresh.look()
		if run := fresh.revoked.since(0, maxRun); len(run.GetList()) != 0 || run.GetLast() != 3 {
			t.Errorf("after all expired: %v, last %d; want none, 3", numbers(run), run.GetLast())
		}
		fresh.revokeSome(1, time.Hour)
		if run := fresh.revoked.since(3, maxRun); !slices.Equal(numbers(run), []uint64{4}) {
			t.Errorf("the next one is %v, want 4", numbers(run))
		}
	})
}

func TestRunsOfRevocations(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.revokeSome(100, time.Hour)
		if run := s.revoked.newest(); len(run.GetList()) != newest || run.GetLast() != 100 || run.GetMore() {
			t.Errorf("the newest: %d, last %d, more %v; want %d, 100, no", len(run.GetList()), run.GetLast(), run.GetMore(), newest)
		}
		var all []uint64
		since, more := uint64(10), true
		for more {
			run := s.revoked.since(since, 40)
			all = append(all, numbers(run)...)
			since, more = run.GetLast(), run.GetMore()
		}
		if len(all) != 90 || all[0] != 11 || all[89] != 100 {
			t.Errorf("in pieces since 10: %v, want 11 to 100", all)
		}
		if run := s.revoked.since(100, 40); len(run.GetList()) != 0 || run.GetLast() != 100 {
			t.Errorf("since the last: %v", run)
		}
		if run := s.revoked.since(1<<60, 40); len(run.GetList()) != 0 || run.GetLast() != 100 {
			t.Errorf("since one that is not there yet: %v", run)
		}
	})
}
