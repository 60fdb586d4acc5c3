package platform

import (
	"math/bits"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// endpointStats counts what one endpoint served.
type endpointStats struct {
	requests  atomic.Uint64
	errors    atomic.Uint64
	shed      atomic.Uint64
	inflight  atomic.Int64
	routed    window
	durations histogram
}

// arrived counts a request. Refused ones count too: they were routed here.
func (s *endpointStats) arrived(now time.Time, routed bool) {
	s.requests.Add(1)
	if routed {
		s.routed.add(now)
	}
}

func (s *endpointStats) message(endpoint string, now time.Time) *hansompb.EndpointStats {
	return &hansompb.EndpointStats{
		Endpoint:         endpoint,
		Requests:         s.requests.Load(),
		RoutedLastMinute: s.routed.lastMinute(now),
		Errors:           s.errors.Load(),
		Shed:             s.shed.Load(),
		Inflight:         uint32(max(s.inflight.Load(), 0)),
		Mean:             durationpb.New(s.durations.mean()),
		Upper95:          durationpb.New(s.durations.quantile(0.95)),
	}
}

// window counts by the second, for as long as a minute and the second that is
// under way. A slot holds the second in its upper 32 bits and the count in its
// lower ones, so that both change at once.
type window struct{ slots [64]atomic.Uint64 }

const minute = 60 // seconds

func (w *window) add(now time.Time) {
	second := uint64(uint32(now.Unix()))
	slot := &w.slots[second%uint64(len(w.slots))]
	for {
		old := slot.Load()
		fresh := second<<32 | 1
		if old>>32 == second {
			fresh = old + 1
		}
		if slot.CompareAndSwap(old, fresh) {
			return
		}
	}
}

// lastMinute returns the count of the 60 full seconds before now's.
func (w *window) lastMinute(now time.Time) uint64 {
	current := now.Unix()
	var sum uint64
	for i := range w.slots {
		slot := w.slots[i].Load()
		if age := current - int64(slot>>32); age >= 1 && age <= minute {
			sum += slot & 0xffffffff
		}
	}
	return sum
}

// histogram counts durations in microseconds, in buckets that each power of two
// has four of, so that a quantile is at most a quarter too high.
type histogram struct {
	buckets [160]atomic.Uint64
	total   atomic.Int64 // nanoseconds
}

func (h *histogram) add(d time.Duration) {
	h.total.Add(int64(d))
	h.buckets[bucketOf(uint64(max(d.Microseconds(), 0)))].Add(1)
}

// bucketOf returns the bucket of us: below 4, us itself; above, the power of two
// and the two bits that follow its first.
func bucketOf(us uint64) int {
	if us < 4 {
		return int(us)
	}
	power := bits.Len64(us) - 3
	return min(power*4+int(us>>power), len(histogram{}.buckets)-1)
}

// bucketEnd returns the smallest duration that is beyond the bucket.
func bucketEnd(bucket int) time.Duration {
	if bucket < 4 {
		return time.Duration(bucket+1) * time.Microsecond
	}
	power := bucket/4 - 1
	return time.Duration(bucket%4+5) << power * time.Microsecond
}

func (h *histogram) count() (n uint64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

func (h *histogram) mean() time.Duration {
	if n := h.count(); n > 0 {
		return time.Duration(h.total.Load() / int64(n))
	}
	return 0
}

// quantile returns a duration that the share q of all is below.
func (h *histogram) quantile(q float64) time.Duration {
	n := h.count()
	if n == 0 {
		return 0
	}
	below := uint64(0)
	for i := range h.buckets {
		if below += h.buckets[i].Load(); float64(below) >= q*float64(n) {
			return bucketEnd(i)
		}
	}
	return bucketEnd(len(h.buckets) - 1)
}
