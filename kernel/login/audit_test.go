package login

import (
	"fmt"
	"testing"
	"time"
)

func TestAuditLogIsReadInPagesNewestFirst(t *testing.T) {
	inRealm(t, func(t *testing.T, s *site) {
		written := 0
		for range 4 {
			for range 5 { // at one instant
				written++
				if err := s.audited(t.Context(), entry{Action: "test", Actor: "me", Subject: fmt.Sprint("s", written%2)}, nil); err != nil {
					t.Fatal(err)
				}
			}
			pass(20 * time.Hour)
		}
		read := func(subject string, limit int) (found []entry) {
			before := time.Now()
			for {
				page, more, err := s.audit.list(t.Context(), before, subject, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page {
					if !e.At.Before(before) {
						t.Errorf("%s is there twice or out of order", e.ID)
					}
					before = e.At
				}
				found = append(found, page...)
				if !more {
					return found
				}
			}
		}
		for _, c := range []struct {
			subject string
			want    int
		}{{"", 20}, {"me", 20}, {"s1", 10}, {"nobody", 0}} {
			if got := read(c.subject, 3); len(got) != c.want {
				t.Errorf("%d records of %q in pages of 3, want %d", len(got), c.subject, c.want)
			}
		}
	})
}
