// Package deadletter is `hansom deadletter`: the events that groups of durable subscribers
// gave up.
package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
)

// Options of every verb.
type Options struct {
	Connection factory.Connection
	Format     output.Format
	Group      string
	IDs        []string
	All        bool // of replay and drop
	Yes        bool // of drop
	Limit      int  // of ls
}

// Run is what a verb does; tests replace it.
type Run func(ctx context.Context, f *factory.Factory, o *Options) error

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "deadletter",
		Short: "List, show, replay and drop events that a group gave up",
	}, NewLs(f, list), NewShow(f, show), NewReplay(f, replay), NewDrop(f, drop))
}

func (o *Options) bind(cmd *cobra.Command) {
	o.Connection.BindBus(cmd)
	o.Format.Bind(cmd)
}

// most is how many letters a group keeps at most.
const most = 10_000

// letters names the letters that replay or drop is for: those given, or with --all every one
// that there is now.
func (o *Options) letters(ctx context.Context, b *bus.Bus) ([]string, error) {
	if !o.All {
		return o.IDs, nil
	}
	letters, err := b.DeadLetters(ctx, o.Group, most)
	var ids []string
	for _, l := range letters {
		ids = append(ids, l.ID)
	}
	return ids, err
}

// each does something with every letter and tells how many times it succeeded.
func (o *Options) each(ctx context.Context, f *factory.Factory, done string, do func(*bus.Bus, string) error) error {
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		ids, err := o.letters(ctx, s.Bus)
		if err != nil {
			return err
		}
		n, failed := oneByOne(ctx, f, done, ids, func(id string) error { return do(s.Bus, id) })
		if o.Format == output.JSON {
			err = output.Value(f.Out, map[string]any{"group": o.Group, done: n})
		} else {
			_, err = fmt.Fprintf(f.Out, "%d %s\n", n, done)
		}
		return errors.Join(append(failed, err)...)
	})
}

// progress is how often is told how far it has come, on standard error.
const progress = 2 * time.Second

// oneByOne does something with one letter after the other, until ctx ends, and returns how many times it succeeded.
func oneByOne(ctx context.Context, f *factory.Factory, done string, ids []string, do func(id string) error) (n int, failed []error) {
	told := f.Now()
	for _, id := range ids {
		if err := do(id); err != nil {
			failed = append(failed, err)
		} else {
			n++
		}
		if ctx.Err() != nil {
			break
		}
		if now := f.Now(); now.Sub(told) >= progress {
			told = now
			_, _ = fmt.Fprintf(f.Err, "%s %d of %d\n", done, n, len(ids))
		}
	}
	return n, failed
}

// some checks the arguments of a verb for letters of one group.
func (o *Options) some(cmd *cobra.Command, args []string) error {
	o.Group, o.IDs = args[0], args[1:]
	if o.All == (len(o.IDs) > 0) {
		return factory.Usage(cmd, "want the ids of letters, or --all for every letter of the group")
	}
	return nil
}

// A record is a letter as programs get it. One of text and data holds the body.
type record struct {
	ID       string            `json:"id"`
	Group    string            `json:"group"`
	Topic    string            `json:"topic"`
	Reason   string            `json:"reason"`
	Attempts int               `json:"attempts"`
	At       time.Time         `json:"at"`
	Header   map[string]string `json:"header,omitempty"`
	Bytes    int               `json:"bytes"`
	JSON     json.RawMessage   `json:"json,omitempty"`
	Text     string            `json:"text,omitempty"`
	Data     []byte            `json:"data,omitempty"` // base64
}

func recordOf(l bus.DeadLetter, whole bool) record {
	r := record{
		ID: l.ID, Group: l.Group, Topic: l.Topic, Reason: l.Reason, Attempts: l.Attempts, At: l.At.UTC(), Bytes: len(l.Message.Body),
	}
	if !whole {
		return r
	}
	r.Header = map[string]string{}
	for _, field := range l.Message.Header {
		r.Header[field.Key] = field.Value
	}
	switch body := l.Message.Body; {
	case json.Valid(body):
		r.JSON = body
	case utf8.Valid(body):
		r.Text = string(body)
	default:
		r.Data = body
	}
	return r
}
