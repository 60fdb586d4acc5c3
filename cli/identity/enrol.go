package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansom-platform/hansom/cli/factory"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// year is how long a credential is good where nothing else is said.
const year = 365 * 24 * time.Hour

// NewEnrol makes `hansom identity enrol`.
func NewEnrol(f *factory.Factory, run Run) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "enrol <service>",
		Short: "Make the credential with which instances of a service prove who they are",
		Long: `Make the credential with which instances of a service prove who they are, as JSON. It is a secret: with --out it goes to a
file of mode 0600. Instances find it by $HANSOM_IDENTITY, which names the file, or a folder of <service>.json.`,
		Example: `  hansom identity enrol core.eta --out core.eta.json
  HANSOM_IDENTITY=core.eta.json ./my-eta`,
		Args:              factory.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: f.Complete(&o.Connection, factory.Services),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.For < time.Second {
				return factory.Usage(cmd, "--for %s: want a second or more, such as 8760h", o.For)
			}
			o.Service = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	o.Connection.Bind(cmd)
	cmd.Flags().DurationVar(&o.For, "for", year, "how long it is good")
	cmd.Flags().StringVar(&o.Out, "out", "", "`file` to write it to, mode 0600 (default standard output)")
	_ = cmd.MarkFlagFilename("out", "json")
	return cmd
}

func enrol(ctx context.Context, f *factory.Factory, o *Options) error {
	if _, err := os.Lstat(o.Out); o.Out != "" && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: remove it first, or name another file with --out", o.Out)
	}
	return f.With(ctx, o.Connection, func(s *factory.Session) error {
		response, err := loginpb.NewLoginClient(s).Enrol(ctx, &loginpb.EnrolRequest{Service: o.Service, ValidFor: durationpb.New(o.For)})
		if err != nil {
			return err
		}
		credential := append(bytes.TrimSpace(response.GetCredential()), '\n')
		if o.Out == "" {
			_, err := f.Out.Write(credential)
			return err
		}
		if err := writeSecret(o.Out, credential); err != nil {
			return err
		}
		_, err = fmt.Fprintf(f.Out, "%s: the credential of %s, good until %s; set HANSOM_IDENTITY=%s where it runs\n",
			o.Out, o.Service, f.Now().Add(o.For).UTC().Format(time.DateOnly), o.Out)
		return err
	})
}

// writeSecret makes a file that only its owner may read. It replaces none.
func writeSecret(path string, secret []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the credential: %w", err)
	}
	_, err = file.Write(secret)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the credential to %s: %w", path, err)
	}
	return nil
}
