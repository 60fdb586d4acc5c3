// Package cli is the command line, hansom: one folder for each noun, one file for
// each verb. A verb is a struct of options, a constructor that binds it to flags,
// and a function that does it, which tests replace. What a verb needs of the world
// comes from cli/factory. Only cmd/hansom imports this package.
//
// What was asked for goes to standard output, everything else to standard error.
// The exit status is 0, 1 after an error, or 2 after wrong usage.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/audit"
	"github.com/hansom-platform/hansom/cli/bus"
	"github.com/hansom-platform/hansom/cli/call"
	"github.com/hansom-platform/hansom/cli/city"
	"github.com/hansom-platform/hansom/cli/config"
	"github.com/hansom-platform/hansom/cli/deadletter"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/grant"
	"github.com/hansom-platform/hansom/cli/identity"
	"github.com/hansom-platform/hansom/cli/initialise"
	"github.com/hansom-platform/hansom/cli/login"
	"github.com/hansom-platform/hansom/cli/logout"
	"github.com/hansom-platform/hansom/cli/ls"
	"github.com/hansom-platform/hansom/cli/reference"
	"github.com/hansom-platform/hansom/cli/run"
	"github.com/hansom-platform/hansom/cli/session"
	"github.com/hansom-platform/hansom/cli/sim"
	"github.com/hansom-platform/hansom/cli/traffic"
	"github.com/hansom-platform/hansom/cli/up"
	"github.com/hansom-platform/hansom/cli/user"
	"github.com/hansom-platform/hansom/cli/version"
	"github.com/hansom-platform/hansom/cli/whoami"
	"github.com/hansom-platform/hansom/cli/why"
	"github.com/hansom-platform/hansom/fault"
)

// The exit statuses.
const (
	exitError = 1
	exitUsage = 2
)

// Main runs the command line of this process and returns its exit status. When ctx
// ends, what runs is stopped.
func Main(ctx context.Context, args []string) int {
	return Execute(ctx, factory.System(), args)
}

// Execute is Main in a world of its own.
func Execute(ctx context.Context, f *factory.Factory, args []string) int {
	root := New(f)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	complain(f.Err, err)
	if remedy := denied(err); remedy != "" {
		_, _ = fmt.Fprintln(f.Err, remedy)
	}
	if hint, ok := factory.IsUsage(err); ok {
		_, _ = fmt.Fprintf(f.Err, "see `%s --help`\n", hint)
		return exitUsage
	}
	return exitError
}

// New makes the whole tree of commands.
func New(f *factory.Factory) *cobra.Command {
	root := factory.Group(&cobra.Command{
		Use:   "hansom",
		Short: "A platform for products made of many small services",
		Long: `Hansom is a platform for building a product out of many small services. "hansom up" runs all of it, with a demo city
of taxis, in one process; the other commands look into a running platform and steer it.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	},
		up.New(f, nil), initialise.New(f, nil), run.New(f, nil), sim.New(f, nil),
		call.New(f, nil), ls.New(f), traffic.New(f), why.New(f, nil),
		config.New(f), city.New(f),
		login.New(f, nil), logout.New(f, nil), whoami.New(f, nil),
		user.New(f), session.New(f), grant.New(f), identity.New(f), audit.New(f, nil), deadletter.New(f), bus.New(f),
		version.New(f, nil),
	)
	root.AddCommand(reference.New(root))
	root.SetIn(f.In)
	root.SetOut(f.Out)
	root.SetErr(f.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return factory.Usage(cmd, "%w", err) })
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.InitDefaultCompletionCmd()
	root.SetHelpCommand(help(root))
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			factory.Group(cmd)
		}
	}
	return root
}

// help is cobra's own, but for a word that is no command: that is wrong usage.
func help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return factory.Usage(cmd, "unknown command %q for %q", strings.Join(args, " "), root.Name())
			}
			return of.Help()
		},
	}
}

// denied says what to do about a denial.
func denied(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	switch {
	case f.Code == fault.Unauthorized && (strings.HasPrefix(f.Reason, "platform.") || f.Reason == "kernel.login.session"):
		return "`hansom whoami` shows who you are; log in with `hansom login`, or give --session"
	case f.Code == fault.Forbidden:
		return "`hansom whoami` shows who you are; `hansom call -v` tells a request id, and `hansom why <id>` which role or grant was missing"
	}
	return ""
}

// complain prints an error. A fault begins with its code.
func complain(w io.Writer, err error) {
	var f *fault.Error
	text := err.Error()
	if errors.As(err, &f) && strings.HasPrefix(text, f.Code.String()+" ") {
		_, _ = fmt.Fprintln(w, text)
		return
	}
	_, _ = fmt.Fprintln(w, "hansom:", text)
}
