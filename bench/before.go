package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// comparison is the platform of now against the one of an earlier commit.
type comparison struct {
	Commit  string  `json:"commit"`
	Before  float64 `json:"before_calls_per_second"`
	Now     float64 `json:"now_calls_per_second"`
	Ratio   float64 `json:"ratio"`            // of calls per second, in the same round
	PerNATS float64 `json:"ratio_after_nats"` // of what each was to the bare NATS measured beside it
}

// measureBefore builds this command as it was at a commit, and runs its measure of calls and today's
// as processes, in turns: before issue 3 calls carried no tokens and proved nothing.
func measureBefore(ctx context.Context, o options) (any, error) {
	folder, err := os.MkdirTemp("", "hansom-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	before, err := buildBefore(ctx, folder, o.before)
	if err != nil {
		return nil, err
	}
	now, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := comparison{Commit: o.before}
	var rates [2][]float64
	var ratios, perNATS []float64
	for round := range 2 * o.rounds {
		progress("round %d of %d", round+1, 2*o.rounds)
		binaries := [2]string{before, now}
		var found [2]map[string]float64
		for i := range binaries {
			at := (i + round) % 2 // each goes first as often as the other
			if found[at], err = callRates(ctx, binaries[at], filepath.Join(folder, "calls.json"), o); err != nil {
				return nil, err
			}
		}
		for i := range rates {
			rates[i] = append(rates[i], found[i]["hansom"])
		}
		ratio := found[1]["hansom"] / found[0]["hansom"]
		ratios, perNATS = append(ratios, ratio), append(perNATS, ratio*found[0]["nats"]/found[1]["nats"])
	}
	c.Before, c.Now, c.Ratio, c.PerNATS = median(rates[0]), median(rates[1]), median(ratios), median(perNATS)
	fmt.Printf("  %.0f calls/s before (%s), %.0f now: %.2f times (goal ≥ 0.95); each against bare NATS beside it: %.2f times\n",
		c.Before, c.Commit, c.Now, c.Ratio, c.PerNATS)
	return c, nil
}

// buildBefore takes the sources of a commit from git's history and builds them.
func buildBefore(ctx context.Context, folder, commit string) (string, error) {
	archive, binary := filepath.Join(folder, "before.tar"), filepath.Join(folder, "before")
	for _, step := range []struct {
		dir  string
		args []string
	}{
		{"..", []string{"git", "archive", "--output", archive, commit}},
		{folder, []string{"tar", "-xf", archive}},
		{filepath.Join(folder, "bench"), []string{"go", "build", "-buildvcs=false", "-o", binary, "."}},
	} {
		command := exec.CommandContext(ctx, step.args[0], step.args[1:]...) //nolint:gosec // the operator names the commit
		command.Dir = step.dir
		if out, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build the platform of commit %s: %v: %w: %s (name another commit with -before)", commit, step.args, err, out)
		}
	}
	return binary, nil
}

// callRates runs one round of a binary's measure of calls and returns calls per second by peer.
func callRates(ctx context.Context, binary, file string, o options) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute+4*o.duration)
	defer cancel()
	command := exec.CommandContext(ctx, binary, "-only", "calls", "-peers", "nats,hansom", "-rounds", "1", "-record", file,
		"-callers", fmt.Sprint(o.callers), "-body", fmt.Sprint(o.body), "-duration", o.duration.String())
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", binary, err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var record struct{ Calls []figure }
	if err := json.Unmarshal(text, &record); err != nil {
		return nil, err
	}
	rates := map[string]float64{}
	for _, f := range record.Calls {
		rates[f.Peer] = f.PerSecond
	}
	return rates, nil
}
