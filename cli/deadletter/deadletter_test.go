package deadletter

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/cli/factory"
)

func TestTellsHowFarItHasCome(t *testing.T) {
	var said bytes.Buffer
	now := time.Unix(0, 0)
	f := &factory.Factory{Err: &said, Now: func() time.Time { return now }}
	n, failed := oneByOne(t.Context(), f, "dropped", []string{"1", "2", "3", "4", "5"}, func(id string) error {
		now = now.Add(time.Second)
		if id == "2" {
			return errors.New("gone")
		}
		return nil
	})
	if n != 4 || len(failed) != 1 {
		t.Errorf("want 4 dropped and 1 failed, got %d and %v", n, failed)
	}
	if want := "dropped 1 of 5\ndropped 3 of 5\n"; said.String() != want {
		t.Errorf("want %q on standard error, got %q", want, said.String())
	}
}

func TestStopsWhenItIsCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &factory.Factory{Now: time.Now}
	n, failed := oneByOne(ctx, f, "dropped", []string{"1", "2", "3"}, func(id string) error {
		if id == "2" {
			cancel()
		}
		return ctx.Err()
	})
	if n != 1 || len(failed) != 1 {
		t.Errorf("called off at the second of three: want 1 done and 1 failed, got %d and %v", n, failed)
	}
}
