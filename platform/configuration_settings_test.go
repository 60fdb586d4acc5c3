package platform_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	"github.com/hansom-platform/hansom/platform/platformtest"
)

func TestConcurrencyIsTakenFromConfiguration(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		s := coreA(env, platform.Concurrency(8))
		var release chan struct{}
		e := endpoint("core.a", "try")
		s.Handle(e, text(func(context.Context, string) (string, error) {
			<-release
			return "", nil
		}))
		env.Start(s)
		for _, test := range []struct {
			document string
			want     int
		}{
			{`{}`, 8},
			{`{"hansom": {"platform": {"concurrency": 4}}}`, 4},
			{`{"hansom": {"platform": {"concurrency": 0}}}`, 8},
			{`{"hansom": {"platform": {"concurrency": 20}}}`, 20},
		} {
			env.Configure(s, test.document)
			synctest.Wait()
			release = make(chan struct{})
			got := atOnce(release, func() error {
				_, err := say(platform.To(t.Context(), s.ID()), env.Client(), e, "")
				return err
			})
			if got != test.want {
				t.Errorf("with %s: %d requests were handled at once, want %d", test.document, got, test.want)
			}
		}
	})
}

// atOnce makes 30 calls that end when release is closed, and returns how many were not
// refused.
func atOnce(release chan struct{}, call func() error) int {
	var calls sync.WaitGroup
	var refused atomic.Int64
	for range 30 {
		calls.Go(func() {
			if fault.ReasonOf(call()) == "platform.shed" {
				refused.Add(1)
			}
		})
	}
	synctest.Wait()
	close(release)
	calls.Wait()
	return 30 - int(refused.Load())
}

func TestLogLevelIsTakenFromConfiguration(t *testing.T) {
	platformtest.Run(t, func(t *testing.T, env *platformtest.Env) {
		var log bytes.Buffer
		s := coreA(env, platform.Logger(slog.New(slog.NewTextHandler(&log, nil))))
		for _, test := range []struct{ document, want string }{
			{`{}`, "INFO WARN"},
			{`{"hansom": {"platform": {"log": "debug"}}}`, "DEBUG INFO WARN"},
			{`{"hansom": {"platform": {"log": "warn"}}}`, "WARN"},
			{`{"hansom": {"platform": {"log": "loud"}}}`, "INFO WARN"},
		} {
			env.Configure(s, test.document)
			synctest.Wait()
			log.Reset()
			l := s.Logger().With("x", 1)
			l.Debug("DEBUG")
			l.Info("INFO")
			l.Warn("WARN")
			var got []string
			for _, level := range []string{"DEBUG", "INFO", "WARN"} {
				if strings.Contains(log.String(), "msg="+level) {
					got = append(got, level)
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("with %s: %v is logged, want %s", test.document, got, test.want)
			}
		}
	})
}
