// Command bench measures the platform on this machine, against peers measured in
// the same run: read the ratios, not the figures. It is a module of its own so
// that what only the peers need stays out of the platform's dependencies.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	callers  int
	body     int
	rounds   int
	duration time.Duration
	starts   int
	idle     time.Duration
	binary   string
	peers    string

	instances int
	changes   int
	before    string

	accounts []int // processes whose use of the processors is told for each call

	rabbit *rabbit // opened by the first measure that needs it
}

// A measure is one of the things that can be measured. It prints a table to
// standard output as it goes and returns what it found, for the record.
type measure struct {
	name  string
	about string
	run   func(ctx context.Context, o options) (any, error)
}

var measures = []measure{
	{"calls", "calls per second and latency: bare NATS, gRPC, the platform", measureCalls},
	{"before", "calls per second, against the platform before it proved who calls", measureBefore},
	{"routing", "one routing decision at 10, 1,000 and 10,000 services", measureRouting},
	{"start", "from the start of an instance to its first call served", measureStart},
	{"compile", "compile of the six layers of a service's configuration", measureCompile},
	{"change", "from the change of configuration to its last instance", measureChange},
	{"tokens", "verification of a user's token, against the signature alone", measureTokens},
	{"logins", "logins per second, against the hash of the password alone", measureLogins},
	{"rabbitcalls", "calls per second and latency on RabbitMQ: bare amqp091-go, the platform", measureRabbitCalls},
	{"exchanges", "messages per second on RabbitMQ: x-h2 against the exchanges that come with it", measureExchanges},
	{"memory", "resident memory of the idle platform with the demo city", measureMemory},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.IntVar(&o.callers, "callers", 64, "concurrent callers")
	flags.IntVar(&o.body, "body", 256, "request and response body, in bytes")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds; in each, all peers run one after the other")
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "how long each peer runs in a round")
	flags.IntVar(&o.starts, "starts", 100, "instances to start")
	flags.DurationVar(&o.idle, "idle", 20*time.Second, "how long the platform idles before its memory is read")
	flags.StringVar(&o.binary, "hansom", "../bin/hansom", "the hansom binary, for the memory measure; its folder has plugins/")
	flags.StringVar(&o.peers, "peers", "", "comma-separated peers of the calls to run (default all)")
	flags.IntVar(&o.instances, "instances", 1000, "instances that apply changes of configuration")
	flags.IntVar(&o.changes, "changes", 20, "changes of configuration")
	flags.StringVar(&o.before, "before", "1468196", "commit of the platform that today's calls are compared with")
	profile := flags.String("profile", "", "write a CPU profile of the whole run to this file")
	record := flags.String("record", "", "write the results as JSON to this file")
	only := flags.String("only", "", "comma-separated measures to run (default all): "+names())
	_ = flags.Parse(args) // exits on errors
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))

	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *profile != "" {
		stop, err := profileTo(*profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	results := map[string]any{
		"date": time.Now().UTC().Format(time.RFC3339), "go": runtime.Version(),
		"machine": fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel()),
	}
	fmt.Printf("%s, %s\n", results["machine"], results["go"])
	o.rabbit = &rabbit{plugins: filepath.Join(filepath.Dir(o.binary), "plugins")}
	defer o.rabbit.close()
	for _, m := range chosen {
		fmt.Printf("\n%s\n", m.about)
		if results[m.name], err = m.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return save(*record, results)
}

func profileTo(file string) (stop func(), err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

// progress draws over the last progress, on standard error and only where that is
// a terminal; what is printed next draws over it too.
func progress(format string, args ...any) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&fs.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "  "+format+"\r", args...)
	}
}

func names() string {
	var all []string
	for _, m := range measures {
		all = append(all, m.name)
	}
	return strings.Join(all, ", ")
}

func choose(only string) ([]measure, error) {
	if only == "" {
		return measures, nil
	}
	var chosen []measure
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(measures, func(m measure) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: no measure %q; there are: %s", only, name, names())
		}
		chosen = append(chosen, measures[i])
	}
	return chosen, nil
}

func save(file string, results any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // a record is for everybody to read
}

// cpuModel reads the processor's name where the system tells it.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown processor"
}
