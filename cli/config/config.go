// Package config is `hansom config`: the configuration documents, what services make of
// them, and their history.
package config

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/cli/factory"
	"github.com/hansom-platform/hansom/cli/output"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// New makes the command.
func New(f *factory.Factory) *cobra.Command {
	return factory.Group(&cobra.Command{
		Use:   "config",
		Short: "Read and change configuration, and see what came of it",
		Long: `Read and change configuration. Documents are JSON objects under ids. What a service gets is compiled from six layers, each
merged over the one before (RFC 7396: objects merge, null removes, all else replaces):

  base, base/<service>, region/<region>, region/<region>/<service>, env/<environment>, env/<environment>/<service>

Documents of other ids, such as city/LON, stand apart. Every change names its author and a message, gets a place in one history
and reaches every instance within a second.`,
	},
		NewGet(f, get), NewSet(f, set), NewEdit(f, edit), NewRm(f, remove), NewLs(f, list),
		NewCompile(f, compile), NewExplain(f, explain), NewDiff(f, diff), NewExport(f, export),
		NewHistory(f, history), NewRollback(f, rollback), NewStatus(f, status), NewWatch(f, watch),
	)
}

// common is what every verb has.
type common struct {
	Connection factory.Connection
	Format     output.Format
}

func (c *common) bind(cmd *cobra.Command) {
	c.Connection.Bind(cmd)
	c.Format.Bind(cmd)
}

// with calls kernel.config over a session of its own.
func (c *common) with(ctx context.Context, f *factory.Factory, do func(*client) error) error {
	return f.With(ctx, c.Connection, func(s *factory.Session) error {
		return do(&client{configpb.NewConfigClient(s), sync.OnceValue(func() func(string) string { return s.Names(ctx) })})
	})
}

// client is kernel.config, and the names of authors.
type client struct {
	*configpb.ConfigClient

	names func() func(id string) string
}

// author is how people know who set something.
func (c *client) author(id string) string { return output.Line(c.names()(id)) }

// bindMessage adds the flag that every change needs.
func bindMessage(cmd *cobra.Command, message *string) {
	cmd.Flags().StringVarP(message, "message", "m", "", "`why`, for the history (required)")
}

func checkMessage(cmd *cobra.Command, message string) error {
	if strings.TrimSpace(message) == "" {
		return factory.Usage(cmd, "-m is missing: say why, for the history")
	}
	return nil
}

// maxInput bounds what is read from files and standard input.
const maxInput = 16 << 20

// readJSON reads an argument that is JSON, @file, or - (also @-) for standard input.
func readJSON(f *factory.Factory, argument string) ([]byte, error) {
	data, source := []byte(argument), "the argument"
	var err error
	switch {
	case argument == "-", argument == "@-":
		source = "standard input"
		data, err = io.ReadAll(io.LimitReader(f.In, maxInput))
	case strings.HasPrefix(argument, "@"):
		source = argument[1:]
		data, err = os.ReadFile(source)
	}
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return data, checkObject(source, data)
}

// checkObject tells what is wrong before the platform is asked.
func checkObject(source string, data []byte) error {
	var object map[string]json.RawMessage
	err := json.Unmarshal(data, &object)
	switch {
	case err != nil && json.Valid(data), err == nil && object == nil:
		return fmt.Errorf(`%s is no JSON object: want one such as {"hansom":{"gateway":{"timeout":"50ms"}}}`, source)
	case err != nil:
		return fmt.Errorf("%s is no JSON object: %w", source, err)
	}
	return nil
}
