package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A peer answers an echo call in its own way.
type peer struct {
	name  string
	call  func(ctx context.Context, body []byte) error
	close func()
}

// A sample is what one peer did in one round.
type sample struct {
	PerSecond float64       `json:"calls_per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	CPU       time.Duration `json:"cpu_ns,omitempty"` // of all processes of options.accounts, for one call
}

// A figure is a peer's median over the rounds, and the median of its ratios to
// the other peers in the same round.
type figure struct {
	Peer string `json:"peer"`
	sample
	Ratios map[string]float64 `json:"ratio_to"`
}

func measureCalls(ctx context.Context, o options) (any, error) {
	peers, err := startPeers(ctx, o.peers)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, p := range peers {
			p.close()
		}
	}()
	return compareCalls(ctx, peers, o)
}

// compareCalls has the peers under load in turns.
func compareCalls(ctx context.Context, peers []peer, o options) ([]figure, error) {
	samples := make([][]sample, len(peers))
	for _, p := range peers {
		if _, err := load(ctx, p, o, o.duration/4); err != nil { // warm up
			return nil, err
		}
	}
	for round := range o.rounds {
		progress("round %d of %d", round+1, o.rounds)
		for i, p := range peers {
			runtime.GC()
			s, err := load(ctx, p, o, o.duration)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	figures := summarise(peers, samples)
	printFigures(figures, o)
	return figures, nil
}

// starters are the peers; the first two are what the platform is compared with.
var starters = []struct {
	name  string
	start func(context.Context) (peer, error)
}{
	{"nats", startNATS},
	{"grpc", startGRPC},
	{"hansom", startPlatform},
}

func startPeers(ctx context.Context, only string) ([]peer, error) {
	var peers []peer
	for _, s := range starters {
		if only != "" && !slices.Contains(strings.Split(only, ","), s.name) {
			continue
		}
		p, err := s.start(ctx)
		if err != nil {
			for _, running := range peers {
				running.close()
			}
			return nil, err
		}
		p.name = s.name
		peers = append(peers, p)
	}
	if len(peers) == 0 {
		return nil, fmt.Errorf("-peers %s: there are: nats, grpc, hansom", only)
	}
	return peers, nil
}

// load has every caller call one after the other for a while.
func load(ctx context.Context, p peer, o options, d time.Duration) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := make([]byte, o.body)
	took := make([][]time.Duration, o.callers)
	before, err := cpuTime(o.accounts...)
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	end := start.Add(d)
	var callers sync.WaitGroup
	for i := range o.callers {
		callers.Go(func() {
			for now := time.Now(); now.Before(end); {
				if err := p.call(ctx, body); err != nil {
					cancel(fmt.Errorf("%s: %w", p.name, err))
					return
				}
				after := time.Now()
				took[i] = append(took[i], after.Sub(now))
				now = after
			}
		})
	}
	callers.Wait()
	if err := context.Cause(ctx); err != nil {
		return sample{}, err
	}
	seconds := time.Since(start).Seconds()
	after, err := cpuTime(o.accounts...)
	all := slices.Concat(took...)
	slices.Sort(all)
	return sample{
		CPU:       (after - before) / time.Duration(len(all)),
		PerSecond: float64(len(all)) / seconds,
		P50:       quantile(all, 0.50),
		P99:       quantile(all, 0.99),
	}, err
}

// quantile of a sorted, non-empty list, by nearest rank.
func quantile[T any](sorted []T, q float64) T {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func median(values []float64) float64 {
	slices.Sort(values)
	return quantile(values, 0.5)
}

func summarise(peers []peer, samples [][]sample) []figure {
	pick := func(of []sample, value func(sample) float64) float64 {
		var values []float64
		for _, s := range of {
			values = append(values, value(s))
		}
		return median(values)
	}
	figures := make([]figure, len(peers))
	for i, p := range peers {
		f := figure{Peer: p.name, Ratios: map[string]float64{}}
		f.PerSecond = pick(samples[i], func(s sample) float64 { return s.PerSecond })
		f.P50 = time.Duration(pick(samples[i], func(s sample) float64 { return float64(s.P50) }))
		f.CPU = time.Duration(pick(samples[i], func(s sample) float64 { return float64(s.CPU) }))
		f.P99 = time.Duration(pick(samples[i], func(s sample) float64 { return float64(s.P99) }))
		for j, other := range peers {
			if i == j {
				continue
			}
			var ratios []float64
			for round := range samples[i] {
				ratios = append(ratios, samples[i][round].PerSecond/samples[j][round].PerSecond)
			}
			f.Ratios[other.name] = median(ratios)
		}
		figures[i] = f
	}
	return figures
}

func printFigures(figures []figure, o options) {
	fmt.Printf("  %d callers, %d B, medians of %d rounds of %v\n\n", o.callers, o.body, o.rounds, o.duration)
	fmt.Printf("  %-24s %10s %10s %10s", "", "calls/s", "p50", "p99")
	compared := figures[:min(2, len(figures))]
	for _, f := range compared {
		fmt.Printf("  × %-12s", f.Peer)
	}
	if figures[0].CPU > 0 {
		fmt.Printf("  %10s", "CPU")
	}
	fmt.Println()
	for _, f := range figures {
		fmt.Printf("  %-24s %10.0f %10v %10v", f.Peer, f.PerSecond, f.P50.Round(time.Microsecond), f.P99.Round(time.Microsecond))
		for _, other := range compared {
			ratio := 1.0
			if other.Peer != f.Peer {
				ratio = f.Ratios[other.Peer]
			}
			fmt.Printf("  %14.2f", ratio)
		}
		if f.CPU > 0 {
			fmt.Printf("  %10v", f.CPU.Round(100*time.Nanosecond))
		}
		fmt.Println()
	}
}
