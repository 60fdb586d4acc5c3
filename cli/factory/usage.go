package factory

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// UsageError is wrong usage: exit status 2, with a hint at the help.
type UsageError struct {
	Err  error
	Hint string // the command whose help explains
}

// Error implements error.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what was wrong.
func (e *UsageError) Unwrap() error { return e.Err }

// Usage reports wrong usage of cmd.
func Usage(cmd *cobra.Command, format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...), Hint: cmd.CommandPath()}
}

// Args makes the wrong number of arguments wrong usage.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return Usage(cmd, "%w; want: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// Group is a command that only holds others. Alone it shows them.
func Group(cmd *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(verbs...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return Usage(cmd, "unknown command %q for %q", args[0], cmd.CommandPath())
		}
		return cmd.Help()
	}
	return cmd
}

// IsUsage reports whether err is wrong usage, and of which command.
func IsUsage(err error) (hint string, ok bool) {
	var u *UsageError
	if errors.As(err, &u) {
		return u.Hint, true
	}
	return "", false
}
