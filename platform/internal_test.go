package platform

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
)

func TestHistogramIsWithinAQuarter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Uint64Range(0, 1<<36).Draw(t, "microseconds")
		bucket := bucketOf(us)
		d := time.Duration(us) * time.Microsecond
		if end := bucketEnd(bucket); end <= d || end > d+d/4+time.Microsecond {
			t.Errorf("%s is in bucket %d, which ends at %s: want an end above it and within a quarter", d, bucket, end)
		}
		if bucket > 0 && bucketEnd(bucket-1) > d {
			t.Errorf("%s is in bucket %d, but the one before ends at %s", d, bucket, bucketEnd(bucket-1))
		}
	})
}

func TestHistogramQuantile(t *testing.T) {
	var h histogram
	for i := 1; i <= 100; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	if q := h.quantile(0.95); q < 95*time.Millisecond || q > 119*time.Millisecond {
		t.Errorf("the upper 95 of 1 to 100 ms is %s, want 95 ms and at most a quarter more", q)
	}
	if m := h.mean(); m != 50500*time.Microsecond {
		t.Errorf("the mean of 1 to 100 ms is %s, want 50.5ms", m)
	}
}

func TestWindowCountsFullSecondsOfTheLastMinute(t *testing.T) {
	var w window
	start := time.Unix(1_800_000_000, 0)
	for second := range 200 {
		for range 3 {
			w.add(start.Add(time.Duration(second) * time.Second))
		}
	}
	for _, tt := range []struct {
		at   int
		want uint64
	}{{199, 180}, {200, 180}, {201, 177}, {259, 3}, {260, 0}} {
		if got := w.lastMinute(start.Add(time.Duration(tt.at) * time.Second)); got != tt.want {
			t.Errorf("at second %d: %d in the last minute, want %d", tt.at, got, tt.want)
		}
	}
}

func TestRetryBudgetIsBounded(t *testing.T) {
	var b retryBudget
	b.reset()
	for range 100_000 {
		b.deposit()
	}
	taken := 0
	for b.withdraw() {
		taken++
	}
	if taken != maxTokens {
		t.Errorf("100,000 calls saved %d retries, want %d", taken, maxTokens)
	}
}

func TestMainNeedsABus(t *testing.T) {
	t.Setenv("HANSOM_BUS", "")
	err := runMain(New("core.echo"), nil)
	if fault.ReasonOf(err) != "platform.no_bus" {
		t.Errorf("Main without HANSOM_BUS: %v, want platform.no_bus", err)
	}
}

// credentials returns a folder with a credential of the service.
func credentials(t *testing.T, service string) string {
	t.Helper()
	root, err := auth.NewRoot("local", make([]byte, auth.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	c, err := root.Enrol(service, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, service+".json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMainSaysWhyTheBusCannotBeOpened(t *testing.T) {
	t.Setenv("HANSOM_BUS", "nats://127.0.0.1:1")
	t.Setenv("HANSOM_IDENTITY", credentials(t, "core.echo"))
	want := fault.New(fault.Unavailable, "bus.disconnected", "nobody there")
	err := runMain(New("core.echo"), func(_ context.Context, url string, z bus.Zone) (*bus.Bus, error) {
		if url != "nats://127.0.0.1:1" || z.Region == "" {
			t.Errorf("opened %s in %s, want HANSOM_BUS in the service's zone", url, z)
		}
		return nil, want
	})
	if fault.ReasonOf(err) != "bus.disconnected" {
		t.Errorf("Main: %v, want %v", err, want)
	}
}

func TestPlaceAndOverlayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("HANSOM_REGION", "eu-west-1")
	t.Setenv("HANSOM_ZONE", "b")
	t.Setenv("HANSOM_OVERLAY", "pr-12")
	got := New("core.echo").Instance()
	if got.GetRegion() != "eu-west-1" || got.GetZone() != "b" || got.GetOverlay() != "pr-12" {
		t.Errorf("instance %v, want the region, zone and overlay of the environment", got)
	}
}

func TestMadeUpTargetsAreNotKeptForEver(t *testing.T) {
	c := NewClient(Operator, nil)
	for i := range maxTargets + 100 {
		c.targets.get("core.x", string(rune('a'+i%26))+time.Duration(i).String())
	}
	if got := len(*c.targets.known.Load()); got != maxTargets {
		t.Errorf("%d targets are kept, want %d at most", got, maxTargets)
	}
}
