package cli_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/cli"
)

// Every file in testdata is a script: commands, what they print and how they end
// (github.com/rogpeppe/go-internal/testscript). All talk to one running platform,
// by its data folder $DATA and its thin API $API. Scripts that change it use a
// service of their own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"hansom": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			os.Exit(cli.Main(ctx, os.Args[1:]))
		},
	})
}

func TestScripts(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	a := platform(t, data)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", data)
			e.Setenv("API", a.Admin().API)
			e.Setenv("LISTEN", strings.TrimPrefix(a.Admin().API, "http://"))
			e.Setenv("BUS", a.Admin().Bus)
			e.Setenv("USER", "ada")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"request": request, "await": await},
	})
}

// platform runs until the test ends.
func platform(t *testing.T, data string) *app.App {
	t.Helper()
	a, err := app.New(app.Config{
		Data: data, Listen: "127.0.0.1:0", BusListen: "127.0.0.1:0", MetricsListen: app.Nothing,
		Version: "20260101000000", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(context.Background()) }()
	t.Cleanup(a.Close)
	select {
	case <-a.Ready():
	case err := <-ended:
		t.Fatalf("the platform did not start: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the platform did not start within a minute")
	}
	return a
}

// request gets a path of the thin API and puts the request's id into $ID:
//
//	request /v1/customer/neardrivers?city=LON&lat=51.5&lng=-0.1
func request(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: request path")
	}
	response, err := http.Get(ts.Getenv("API") + args[0])
	ts.Check(err)
	ts.Check(response.Body.Close())
	id := response.Header.Get("X-Request-Id")
	if id == "" {
		ts.Fatalf("%s: status %d and no request id", args[0], response.StatusCode)
	}
	ts.Setenv("ID", id)
	ts.Logf("%s", fmt.Sprintf("status %d, id %s", response.StatusCode, id))
}

// await repeats a command until its output has a text:
//
//	await core.profile-0190 hansom ls instances
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await text command [argument...]")
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		_ = ts.Exec(args[1], args[2:]...) // it may fail until it does not
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("want %q in what %s prints within 30 s, got %s", args[0], strings.Join(args[1:], " "), ts.ReadFile("stdout"))
		}
	}
}
