package login

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/hansom-platform/hansom/platform/config"
)

func TestNothingIsKeptOfApplicationsThatAreNotConfigured(t *testing.T) {
	v := config.New()
	if err := v.Set([]byte(`{"hansom":{"login":{"applications":{"driver":{"min_length":10}}}}}`), 1, "h"); err != nil {
		t.Fatal(err)
	}
	s := &settings{values: v, log: slog.New(slog.DiscardHandler), lastGood: map[string]Application{}, problems: map[string]string{}}
	for i := range 100 {
		if got := s.application(fmt.Sprint("made-up-", i)).MinLength; got != 8 {
			t.Fatalf("min_length of an application that is not configured is %d, want 8", got)
		}
	}
	if got := s.application("driver").MinLength; got != 10 || len(s.lastGood) != 1 {
		t.Errorf("min_length of driver is %d, %d applications are kept; want 10 and 1", got, len(s.lastGood))
	}
}
