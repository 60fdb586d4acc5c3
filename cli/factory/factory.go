// Package factory is the seam between the command line's verbs and the world: the
// streams, the clock, the environment and the way to the platform. Package cli
// makes the real one; tests make their own. Every verb gets one.
package factory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// Factory is what verbs need of the world.
type Factory struct {
	In       io.Reader
	Out      io.Writer
	Err      io.Writer
	Terminal bool // Err is a terminal, where progress may be drawn over
	Env      func(name string) string
	Now      func() time.Time

	// Dial connects to the bus.
	Dial func(ctx context.Context, url string, z bus.Zone) (*bus.Bus, error)
	// Client calls over it, as the operator. Every call carries what token returns; nil is for none.
	Client func(b *bus.Bus, token func(context.Context) (string, error)) *platform.Client
	// Password asks for a secret on the terminal, without echo. It is nil where there is none.
	Password func(prompt string) (string, error)
	// Edit has a person change a file.
	Edit func(ctx context.Context, path string) error
}

// System is the Factory of this process.
func System() *Factory {
	info, err := os.Stderr.Stat()
	return &Factory{
		In:       os.Stdin,
		Out:      os.Stdout,
		Err:      os.Stderr,
		Terminal: err == nil && info.Mode()&fs.ModeCharDevice != 0,
		Env:      os.Getenv,
		Now:      time.Now,
		Dial:     dial.Dialer{Name: "hansom " + platform.Operator}.Bus,
		Client:   client,
		Password: password(),
		Edit:     edit,
	}
}

func client(b *bus.Bus, token func(context.Context) (string, error)) *platform.Client {
	if token == nil {
		return platform.NewClient(platform.Operator, b)
	}
	return platform.NewClient(platform.Operator, b, platform.Token(token))
}

// Connection says which platform a verb talks to.
type Connection struct {
	Bus     string // URL; else HANSOM_BUS; else what admin.json of Data says
	Data    string
	Session string // secret; see prover for what is used without
	Zone    bus.Zone
}

// Bind adds the flags to cmd. One that cmd has already keeps its meaning.
func (c *Connection) Bind(cmd *cobra.Command) {
	c.BindBus(cmd)
	cmd.Flags().StringVar(&c.Session, "session", "", "secret of the `session` to act with (default $HANSOM_SESSION, else that of \"hansom login\", else that of admin.json)")
}

// BindBus is Bind for a verb that only uses the bus itself, and so acts with no session.
func (c *Connection) BindBus(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.Bus, "bus", "", "`URL` of the platform's bus (default $HANSOM_BUS, else what admin.json in the data folder says)")
	f.StringVar(&c.Data, "data", app.DefaultData, "data `folder` of the `hansom up` to talk to")
	_ = cmd.MarkFlagDirname("data")
	if f.Lookup("region") == nil {
		f.StringVar(&c.Zone.Region, "region", "", "`region` to route from (default $HANSOM_REGION, else what admin.json says, else local)")
	}
	f.StringVar(&c.Zone.Zone, "zone", "", "`zone` to route from (default $HANSOM_ZONE, else what admin.json says, else a)")
}

// connectTimeout is how long opening the bus may take.
const connectTimeout = 5 * time.Second

// Session is an open connection to a platform.
type Session struct {
	*platform.Client
	Bus *bus.Bus
	URL string

	prover *prover
}

// Close ends the connection.
func (s *Session) Close() { _ = s.Bus.Close(context.Background()) }

// Open connects to the platform that c names. Its errors say what to do.
func (f *Factory) Open(ctx context.Context, c Connection) (*Session, error) {
	url, source, err := f.BusURL(c)
	if err != nil {
		return nil, err
	}
	z := f.From(c)
	if err := errors.Join(app.CheckWord("region", z.Region), app.CheckWord("zone", z.Zone)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	b, err := f.Dial(ctx, url, z)
	if fault.Is(err, fault.BadRequest) {
		return nil, fmt.Errorf("cannot reach the platform at %s (from %s): %w", dial.Redacted(url), source, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reach the platform at %s (from %s); is `hansom up` running? Else say where with --bus, $HANSOM_BUS or --data: %w",
			dial.Redacted(url), source, err)
	}
	p := f.prover(c, url, loginpb.NewLoginClient(f.Client(b, nil)))
	return &Session{Client: f.Client(b, p.token), Bus: b, URL: url, prover: p}, nil
}

// With opens a session for do, and closes it.
func (f *Factory) With(ctx context.Context, c Connection, do func(*Session) error) error {
	s, err := f.Open(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	return do(s)
}

// BusURL finds the URL of the bus, and where it came from.
func (f *Factory) BusURL(c Connection) (url, source string, err error) {
	if c.Bus != "" {
		return c.Bus, "--bus", nil
	}
	if url := f.Env("HANSOM_BUS"); url != "" {
		return url, "$HANSOM_BUS", nil
	}
	admin, err := f.Admin(c.Data)
	if err != nil {
		return "", "", err
	}
	if admin.PID == 0 {
		return "", "", fmt.Errorf("the platform on %s has stopped; start it with `hansom up --data %s`, or say which one with --data, --bus or $HANSOM_BUS",
			c.Data, c.Data)
	}
	return admin.Bus, c.Data + "/admin.json", nil
}

// Admin reads what a running `hansom up` has left in its data folder.
func (f *Factory) Admin(folder string) (app.Admin, error) {
	admin, err := app.ReadAdmin(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return admin, fmt.Errorf("no platform found: there is no admin.json in %s; is `hansom up` running? "+
			"Start it, or say which one with --data, --bus or $HANSOM_BUS", folder)
	}
	if errors.Is(err, fs.ErrPermission) {
		return admin, fmt.Errorf("%w; only the user that runs `hansom up` may read it", err)
	}
	return admin, err
}

// adminOf returns what admin.json in a data folder says, where that is of the platform on this bus; else an empty one.
func adminOf(folder, busURL string) app.Admin {
	admin, err := app.ReadAdmin(folder)
	if err != nil || host(admin.Bus) != host(busURL) {
		return app.Admin{}
	}
	return admin
}

func host(rawURL string) string {
	if u, err := url.Parse(rawURL); err == nil {
		return u.Host
	}
	return rawURL
}

// Place fills in what z leaves open, for a platform that is to start.
func (f *Factory) Place(z bus.Zone) bus.Zone { return f.place(z, app.Admin{}) }

// From is where a verb routes from: what neither flags nor the environment say is as in admin.json.
func (f *Factory) From(c Connection) bus.Zone {
	var admin app.Admin
	if url, _, err := f.BusURL(c); err == nil {
		admin = adminOf(c.Data, url)
	}
	return f.place(c.Zone, admin)
}

func (f *Factory) place(z bus.Zone, admin app.Admin) bus.Zone {
	return bus.Zone{
		Region: cmp.Or(z.Region, f.Env("HANSOM_REGION"), admin.Region, "local"),
		Zone:   cmp.Or(z.Zone, f.Env("HANSOM_ZONE"), admin.Zone, "a"),
	}
}
