package platform_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// BenchmarkChangeAppliedByAThousand measures from the publishing of a change until
// each of 1,000 instances runs callbacks on the new values.
func BenchmarkChangeAppliedByAThousand(b *testing.B) {
	const instances = 1000
	env := platformtest.New(b)
	kernel := newConfigServer(env, `{"a": "0"}`)
	var mu sync.Mutex
	var took []time.Duration
	var begin time.Time
	var applied sync.WaitGroup
	var all []*platform.Service
	for range instances {
		s := platform.New("core.a", platform.Logger(quiet))
		s.Config().OnChange("a", func() {
			mu.Lock()
			defer mu.Unlock()
			if !begin.IsZero() {
				took = append(took, time.Since(begin))
				applied.Done()
			}
		})
		all = append(all, s)
	}
	env.Start(all...)
	for i := 1; b.Loop(); i++ {
		applied.Add(instances)
		kernel.write(fmt.Sprintf(`{"a": "%d"}`, i))
		mu.Lock()
		begin = time.Now()
		mu.Unlock()
		m := &configpb.Changed{Revision: kernel.now(), Previous: kernel.now() - 1, Ids: []string{"base"}}
		if err := env.Client().PublishEvent(b.Context(), "config.changed", m); err != nil {
			b.Fatal(err)
		}
		applied.Wait()
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "ms-p99")
}
