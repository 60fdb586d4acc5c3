package platformtest

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// leakLabel marks the goroutines of one Env. Goroutines inherit it from those
// that start them, so that tests which run at the same time do not mix.
const leakLabel = "platformtest"

var envs atomic.Int64

// leakDetector finds goroutines that outlive what started them.
type leakDetector struct{ id string }

func newLeakDetector() leakDetector {
	return leakDetector{strconv.FormatInt(envs.Add(1), 10)}
}

// watch marks the goroutines that f starts, and those that they start.
func (d leakDetector) watch(f func()) {
	pprof.Do(context.Background(), pprof.Labels(leakLabel, d.id), func(context.Context) { f() })
}

// find returns the stacks of what is left, once it had time to go.
func (d leakDetector) find() []string {
	const tries = 50
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tries {
		if len(d.stacks()) == 0 {
			return nil
		}
		<-tick.C
	}
	return d.stacks()
}

func (d leakDetector) stacks() []string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return []string{"the goroutines cannot be listed: " + err.Error()}
	}
	var found []string
	label := strconv.Quote(leakLabel) + ":" + strconv.Quote(d.id)
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, label) {
			found = append(found, strings.TrimSpace(stack))
		}
	}
	return found
}
