// Command hansom runs the platform and is its command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hansom-platform/hansom/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does what signals do: it kills
	os.Exit(cli.Main(ctx, os.Args[1:]))
}
