// Package logging holds the flags of the commands that run services, and makes
// their logger. The verbs up, run and sim import it.
package logging

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
)

// Options say what is logged, and how.
type Options struct {
	Level  string
	Format string
}

// Bind adds the flags to cmd. Values that are none are wrong usage.
func (o *Options) Bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&o.Level, "log-level", "warn", "least `level` to log: debug, info, warn or error")
	fl.StringVar(&o.Format, "log-format", "text", "`format` of the log on standard error: text or json")
	_ = cmd.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]cobra.Completion{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]cobra.Completion{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := o.Logger(io.Discard); err != nil {
			return factory.Usage(cmd, "%w", err)
		}
		return nil
	}
}

// Logger writes to w. Package platform adds trace ids and who is speaking.
func (o *Options) Logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.Level)); err != nil {
		return nil, fmt.Errorf("--log-level %s: want debug, info, warn or error", o.Level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch o.Format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format %s: want text or json", o.Format)
}
