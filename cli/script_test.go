package cli_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/cli"
)

// Every file in testdata is a script: commands, what they print and how they end
// (github.com/rogpeppe/go-internal/testscript). They run on every engine of the bus, whose name is a condition. All talk to one
// running platform, by its data folder $DATA and its thin API $API. Scripts that change it use a
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
	for _, engine := range []string{app.EngineNATS, app.EngineRabbitMQ} {
		t.Run(engine, func(t *testing.T) { runScripts(t, engine) })
	}
}

func runScripts(t *testing.T, engine string) {
	data := filepath.Join(t.TempDir(), "data")
	a := platform(t, data, engine)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", data)
			e.Setenv("API", a.Admin().API)
			e.Setenv("LISTEN", strings.TrimPrefix(a.Admin().API, "http://"))
			e.Setenv("BUS", a.Admin().Bus)
			broker, _, _ := strings.Cut(a.Admin().Bus, "?")
			e.Setenv("BROKER", broker)
			e.Setenv("MANAGEMENT", management(a.Admin().Bus))
			e.Setenv("USER", "ada")
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("ADMIN", a.Admin().Session)
			e.Setenv("CUSTOMER", a.Admin().Demo["customer"].Session)
			e.Setenv("DRIVER", a.Admin().Demo["driver"].Session)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"request": request, "await": await, "set": set, "mode": mode, "awaitget": awaitget, "giveup": giveUp, "takeup": takeUp, "refused": refused},
		Condition: func(name string) (bool, error) {
			if name != app.EngineNATS && name != app.EngineRabbitMQ {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return name == engine, nil
		},
	})
}

// platform runs until the test ends.
func platform(t *testing.T, data, engine string) *app.App {
	t.Helper()
	a, err := app.New(app.Config{
		Engine: engine,
		Data:   data, Listen: "127.0.0.1:0", BusListen: "127.0.0.1:0", ConfigListen: "127.0.0.1:0", MetricsListen: app.Nothing,
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

// request gets a path of the thin API, with a session where one is given, checks the status and puts the
// request's id into $ID:
//
//	request 200 /v1/customer/neardrivers?city=LON&lat=51.5&lng=-0.1 $CUSTOMER
func request(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: request status path [session]")
	}
	session := ""
	if len(args) == 3 {
		session = args[2]
	}
	status, id, _ := fetch(ts, args[1], session)
	if status != args[0] {
		ts.Fatalf("%s: want status %s, got %s", args[1], args[0], status)
	}
	if id == "" {
		ts.Fatalf("%s: status %s and no request id", args[1], status)
	}
	ts.Setenv("ID", id)
	ts.Logf("%s", fmt.Sprintf("status %s, id %s", status, id))
}

func fetch(ts *testscript.TestScript, path, session string) (status, id, body string) {
	r, err := http.NewRequest(http.MethodGet, ts.Getenv("API")+path, nil)
	ts.Check(err)
	if session != "" {
		r.Header.Set("Authorization", "Bearer "+session)
	}
	response, err := http.DefaultClient.Do(r)
	ts.Check(err)
	data, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(response.Body.Close())
	return strconv.Itoa(response.StatusCode), response.Header.Get("X-Request-Id"), string(data)
}

// awaitget gets a path of the thin API until the answer has a status and a text:
//
//	awaitget 200 '"id":' /v1/customer/neardrivers?city=LON&lat=51.5&lng=-0.1 $CUSTOMER
func awaitget(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: awaitget status text path session")
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		status, _, body := fetch(ts, args[2], args[3])
		if status == args[0] && strings.Contains(body, args[1]) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s: want status %s with %q within 20 s, got %s with %s", args[2], args[0], args[1], status, body)
		}
	}
}

// set puts the first match of a regular expression, or of its group, in the last command's output into a
// variable:
//
//	set SESSION '"session_id": "(.*)"'
func set(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: set variable expression")
	}
	expression, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	match := expression.FindStringSubmatch(ts.ReadFile("stdout"))
	if match == nil {
		ts.Fatalf("no %s in what the last command printed", args[1])
	}
	ts.Setenv(args[0], match[len(match)-1])
}

// mode checks the permissions of a file:
//
//	mode 600 credential.json
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode octal file")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s: want mode %s, got %s", args[1], args[0], got)
	}
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
