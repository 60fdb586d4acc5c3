package login

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

func TestWrongPasswordAndUnknownUserAreAnsweredAlike(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		var errs [2]string
		for i, name := range []string{"ada", "nobody"} {
			for n := range 8 { // until both are throttled, too
				_, err := s.try(name, "wrong password", "web", "", "")
				errs[i] += fmt.Sprint(n, err, "\n")
			}
		}
		if errs[0] != errs[1] {
			t.Errorf("of a user:\n%sof nobody:\n%swant the same", errs[0], errs[1])
		}
	})
}

// hammer fails until an attempt is throttled and returns how often.
func (s *site) hammer(identifier, known, source string) int {
	s.t.Helper()
	for n := range 1000 {
		_, err := s.try(identifier, "wrong password", "web", known, source)
		if fault.ReasonOf(err) == reasonThrottled {
			return n
		}
		if fault.ReasonOf(err) != "kernel.login.wrong" {
			s.t.Fatalf("a wrong password: %v", err)
		}
	}
	s.t.Fatal("1000 wrong passwords in no time were not throttled")
	return 0
}

func TestHammeringLocksOutStrangersAndNeverAKnownDevice(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		s.logIn("ada", "web")
		phone := s.devices.issue(u.ID, "")
		if n := s.hammer("ada", "", "198.51.100.7"); n != 5 {
			t.Errorf("throttled after %d failures, want 5", n)
		}
		_, err := s.try("ada", password, "web", "", "203.0.113.9")
		wantCode(t, "the right password from an unknown device", err, fault.Throttled)
		if _, err := s.try("ada", password, "web", phone, "198.51.100.7"); err != nil {
			t.Errorf("the right password from a known device: %v", err)
		}
		pass(maxPause)
		if _, err := s.try("ada", password, "web", "", "203.0.113.9"); err != nil {
			t.Errorf("the right password from an unknown device after %v: %v", maxPause, err)
		}
	})
}

func TestPausesDoubleUpToALimit(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		s.hammer("ada", "", "")
		last := time.Duration(0)
		for range 15 {
			start := time.Now()
			for {
				_, err := s.try("ada", "wrong password", "web", "", "")
				if fault.ReasonOf(err) != reasonThrottled {
					break
				}
				pass(time.Second)
			}
			last = time.Since(start)
			if last > maxPause+time.Second {
				t.Fatalf("a pause of %v, want at most %v", last, maxPause)
			}
		}
		if last < maxPause-time.Second {
			t.Errorf("the 15th pause is %v, want %v", last, maxPause)
		}
	})
}

func TestKnownDeviceIsThrottledByItself(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		u := s.customer("ada")
		stolen, own := s.devices.issue(u.ID, ""), s.devices.issue(u.ID, "")
		s.hammer("ada", stolen, "")
		_, err := s.try("ada", password, "web", stolen, "")
		wantCode(t, "a known device that failed too often", err, fault.Throttled)
		if _, err := s.try("ada", password, "web", own, ""); err != nil {
			t.Errorf("another known device: %v", err)
		}
	})
}

func TestDeviceOfAnotherUserIsUnknown(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		mine := s.devices.issue(s.customer("eve").ID, "")
		s.hammer("ada", mine, "")
		_, err := s.try("ada", password, "web", mine, "")
		wantCode(t, "the right password with somebody else's device, after hammering", err, fault.Throttled)
	})
}

func TestSourceThatTriesManyAccountsIsThrottled(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		throttled := 0
		for i := range freeBySource + 10 {
			if _, err := s.try(fmt.Sprint("victim-", i), "wrong password", "web", "", "2001:db8::1"); fault.Is(err, fault.Throttled) {
				throttled++
			}
		}
		if throttled != 10 {
			t.Errorf("%d of %d attempts on as many accounts were throttled, want 10", throttled, freeBySource+10)
		}
		_, err := s.try("ada", password, "web", "", "2001:db8::2")
		wantCode(t, "the same network of 64 bits", err, fault.Throttled)
		u, err := s.users.find(t.Context(), "customer", "ada")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.try("ada", password, "web", s.devices.issue(u.ID, ""), "2001:db8::2"); err != nil {
			t.Errorf("a known device in the same network: %v", err)
		}
		if _, err := s.try("ada", password, "web", "", "2001:db8:0:1::1"); err != nil {
			t.Errorf("another network: %v", err)
		}
	})
}

func TestManyAttemptsAtOnceAreNotCheaper(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		wrong := make([]bool, 30)
		atOnce(len(wrong), func(i int) {
			_, err := s.try("ada", "wrong password", "web", "", "")
			wrong[i] = fault.ReasonOf(err) == "kernel.login.wrong"
		})
		n := 0
		for _, w := range wrong {
			if w {
				n++
			}
		}
		if n > 5 {
			t.Errorf("%d of 30 attempts at once were looked at, want at most 5", n)
		}
	})
}

func TestInstancesCountTogether(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		other := &site{realm: sibling(s), t: t}
		for i := range 5 {
			_, _ = []*site{s, other}[i%2].try("ada", "wrong password", "web", "", "")
		}
		for i, one := range []*site{s, other} {
			_, err := one.try("ada", password, "web", "", "")
			wantCode(t, fmt.Sprint("instance ", i), err, fault.Throttled)
		}
	})
}

// sibling is another instance over the same store.
func sibling(s *site) *realm {
	r := *s.realm
	r.revoked = &revocationLog{table: s.revoked.table}
	r.keys = &keyring{table: s.keys.table, env: s.keys.env, root: s.keys.root, seal: s.keys.seal}
	r.audit = &auditLog{table: s.audit.table}
	return &r
}

func TestSuccessTakesBackOnlyItself(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		s.customer("ada")
		for range 4 {
			_, _ = s.try("ada", "wrong password", "web", "", "")
		}
		s.logIn("ada", "web")
		if n := s.hammer("ada", "", ""); n != 1 {
			t.Errorf("after 4 failures and a success there were %d more before a pause, want 1", n)
		}
	})
}
