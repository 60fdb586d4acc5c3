package config

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// events are the topics that tell of revisions: config.changed at once, config.revision at
// intervals, for whoever missed one.
const events = "config.*"

// WatchOptions of `hansom config watch`.
type WatchOptions struct {
	common

	Of    string // prefix of ids, or service; empty: everything
	Since uint64 // revision; 0: from now on
}

// NewWatch makes `hansom config watch`.
func NewWatch(f *factory.Factory, run func(context.Context, *factory.Factory, *WatchOptions) error) *cobra.Command {
	o := &WatchOptions{}
	cmd := &cobra.Command{
		Use:   "watch [prefix | service]",
		Short: "Print every change as it is made, until Ctrl-C",
		Long: `Print every change as it is made, until Ctrl-C: of all documents, of those whose ids begin with a prefix, or of those that a
service is configured from. None is left out, also when the connection was away. With -o json every change is one line.`,
		Example: `  hansom config watch
  hansom config watch core.eta
  hansom config watch city/ --since 71`,
		Args:              factory.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: f.CompleteServices(&o.Connection, false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Of = args[0]
			}
			return run(cmd.Context(), f, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().Uint64Var(&o.Since, "since", 0, "begin after this `revision` (default now)")
	return cmd
}

func watch(ctx context.Context, f *factory.Factory, o *WatchOptions) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		names := sync.OnceValue(func() func(string) string { return s.Names(ctx) })
		k := &client{configpb.NewConfigClient(s), names}
		news := make(chan uint64, 1)
		sub, err := s.Bus.Subscribe(ctx, bus.Subscription{Topic: events}, hear(news))
		if err != nil {
			return err
		}
		defer func() { _ = sub.Close() }()
		last := o.Since
		if last == 0 {
			if last, err = newest(ctx, k); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(f.Err, "watching from revision %d on; stop with Ctrl-C\n", last)
		}
		err = o.follow(ctx, f, k, news, last)
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
}

// hear keeps the newest revision that events tell of in news.
func hear(news chan uint64) bus.EventHandler {
	return func(_ context.Context, e *bus.Event) error {
		changed := new(configpb.Changed)
		if err := proto.Unmarshal(e.Message.Body, changed); err != nil {
			return fmt.Errorf("read an event of %s: %w", e.Topic, err)
		}
		told := changed.GetRevision()
		select {
		case before := <-news:
			told = max(told, before)
		default:
		}
		select {
		case news <- told:
		default:
		}
		return nil
	}
}

// follow prints what came after revision last. Where the platform is away it waits.
func (o *WatchOptions) follow(ctx context.Context, f *factory.Factory, c *client, news <-chan uint64, last uint64) error {
	for told := last + 1; ; {
		if told > last {
			missed, err := since(ctx, c, last)
			if err != nil {
				return err
			}
			for _, r := range missed {
				last = r.GetRevision()
				if err := o.print(f, c, r); err != nil {
					return err
				}
			}
		}
		select {
		case told = <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// since returns the revisions after one, oldest first.
func since(ctx context.Context, c *client, last uint64) ([]*configpb.Revision, error) {
	var missed []*configpb.Revision
	request := &configpb.HistoryRequest{Limit: 100, Changes: true}
	for {
		response, err := c.History(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, r := range response.GetRevisions() {
			if r.GetRevision() > last {
				missed = append(missed, r)
			}
			request.Before = r.GetRevision()
		}
		if !response.GetMore() || request.Before <= last+1 {
			slices.Reverse(missed)
			return missed, nil
		}
	}
}

// print prints the part of a revision that is watched for.
func (o *WatchOptions) print(f *factory.Factory, c *client, r *configpb.Revision) error {
	r = proto.CloneOf(r)
	r.Ids = slices.DeleteFunc(r.GetIds(), func(id string) bool { return !concerns(o.Of, id) })
	r.Changes = slices.DeleteFunc(r.GetChanges(), func(d *configpb.Change) bool { return !concerns(o.Of, d.GetId()) })
	if len(r.GetIds()) == 0 {
		return nil
	}
	if o.Format == output.JSON {
		return output.JSONLine(f.Out, revisionOf(r))
	}
	return printRevision(f.Out, c, r)
}

// concerns reports whether a document is watched for: its id begins with of, or of is a
// service that it is a layer of.
func concerns(of, id string) bool {
	service := strings.Contains(of, ".") && !strings.Contains(of, "/")
	if !service {
		return strings.HasPrefix(id, of)
	}
	parts := strings.Split(id, "/")
	switch parts[0] {
	case "base":
		return len(parts) == 1 || len(parts) == 2 && parts[1] == of
	case "region", "env":
		return len(parts) == 2 || len(parts) == 3 && parts[2] == of
	}
	return false
}
