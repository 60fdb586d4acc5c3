package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/app/dial"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// limit is for what should take a second, on a machine that is busy with other tests.
const limit = 30 * time.Second

// free is a configuration on free ports, with all data in folder.
func free(folder string) app.Config {
	return app.Config{
		Data:          folder,
		Listen:        "127.0.0.1:0",
		BusListen:     "127.0.0.1:0",
		ConfigListen:  "127.0.0.1:0",
		MetricsListen: "127.0.0.1:0",
		Version:       "20260101000000",
		Logger:        slog.New(slog.DiscardHandler),
	}
}

// running is an app that is ready.
type running struct {
	*app.App
	data string
	stop func() error
}

func start(t *testing.T, c app.Config) running {
	t.Helper()
	a, err := app.New(c)
	if err != nil {
		t.Fatalf("configure the app: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	r := running{a, c.Data, func() error { cancel(); return <-done }}
	select {
	case <-a.Ready():
	case err := <-done:
		cancel()
		t.Fatalf("start the app: %v", err)
	case <-time.After(limit):
		cancel()
		t.Fatalf("want an app that is ready within %s, stopping it said %v", limit, <-done)
	}
	t.Cleanup(func() { cancel(); a.Close() })
	return r
}

func get(t *testing.T, url string) (status int, header http.Header, body []byte) {
	t.Helper()
	return getAs(t, "", url)
}

// ask asks for drivers near Charing Cross, as the demo's customer.
func ask(t *testing.T, a running) (status int, header http.Header, body []byte) {
	t.Helper()
	return getAs(t, a.Admin().Demo["customer"].Session, a.Admin().API+nearDrivers)
}

func getAs(t *testing.T, session, url string) (status int, header http.Header, body []byte) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if session != "" {
		request.Header.Set("Authorization", "Bearer "+session)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}

const nearDrivers = "/v1/customer/neardrivers?city=LON&lat=51.5074&lng=-0.1278"

func TestServesTheTaxiRequestThroughEveryTier(t *testing.T) {
	c := free(t.TempDir())
	c.Taxis = 50
	a := start(t, c)
	status, header, body := ask(t, a)
	var answer struct {
		City    string `json:"city"`
		Drivers []struct {
			ID       string `json:"id"`
			Name     string `json:"name"`
			Distance int    `json:"distance_m"`
		} `json:"drivers"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK {
		t.Fatalf("want 200 and JSON, got %d %s (%v)", status, body, err)
	}
	if answer.City != "LON" || len(answer.Drivers) == 0 {
		t.Errorf("want drivers in LON, got %s", body)
	}
	for n := 1; n < len(answer.Drivers); n++ {
		if answer.Drivers[n-1].Distance > answer.Drivers[n].Distance {
			t.Errorf("want the nearest first, got %s", body)
		}
	}
	if id := header.Get("X-Request-Id"); len(id) != 32 {
		t.Errorf("want a request id of 32 digits, got %q", id)
	}
}

func TestTheProcessTellsItsHealth(t *testing.T) {
	a := start(t, free(t.TempDir()))
	status, _, body := get(t, a.Admin().Metrics+"/healthz")
	if status != http.StatusOK {
		t.Errorf("want 200, got %d %s", status, body)
	}
	for _, id := range append(a.Instances(), "bus") {
		if !strings.Contains(string(body), `"name":"`+id+`","healthy":true`) {
			t.Errorf("want %s to be healthy, got %s", id, body)
		}
	}
	if status, _, body := get(t, a.Admin().Metrics+"/metrics"); status != http.StatusOK || !strings.Contains(string(body), "go_goroutines") {
		t.Errorf("want metrics, got %d %.200s", status, body)
	}
}

func TestStopsInTimeAndComesUpAgainOnTheSameData(t *testing.T) {
	c := free(t.TempDir())
	c.Taxis = 20
	first := start(t, c)
	before := first.Admin()
	began := time.Now()
	if err := first.stop(); err != nil {
		t.Errorf("want a clean stop, got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("want a stop within 5 s, it took %s", took)
	}
	if at, err := app.ReadAdmin(c.Data); err != nil || at.PID != 0 || at.Password == "" {
		t.Errorf("want an admin.json with the password and no process, got pid %d, %v", at.PID, err)
	}
	second := start(t, c)
	if status, _, body := ask(t, second); status != http.StatusOK {
		t.Errorf("want 200 after a restart, got %d %s", status, body)
	}
	if got, want := user(t, second.Admin().Bus), user(t, before.Bus); got != want {
		t.Errorf("want the same user and password of the bus after a restart, got others")
	}
}

func user(t *testing.T, bus string) string {
	t.Helper()
	credentials, _, ok := strings.Cut(bus, "@")
	if !ok {
		t.Fatalf("want a bus URL with user and password, got %s", dial.Redacted(bus))
	}
	return credentials
}

// A copy of the data folder of a running app is what a kill leaves behind:
// a store that was not closed, and registrations and bindings of instances that are gone.
func TestComesUpOnTheDataOfAKilledApp(t *testing.T) {
	killed := free(t.TempDir())
	start(t, killed)
	copied := free(filepath.Join(t.TempDir(), "data"))
	if err := os.CopyFS(copied.Data, os.DirFS(killed.Data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(copied.Data, "keys.json"), 0o600); err != nil { // os.CopyFS copies no modes
		t.Fatal(err)
	}
	a := start(t, copied)
	for n := range 20 {
		if status, _, body := ask(t, a); status != http.StatusOK {
			t.Fatalf("request %d: want 200 in spite of leftover bindings, got %d %s", n, status, body)
		}
	}
}

func TestASecondAppIsRefused(t *testing.T) {
	c := free(t.TempDir())
	first := start(t, c)
	api := strings.TrimPrefix(first.Admin().API, "http://")
	metrics := strings.TrimPrefix(first.Admin().Metrics, "http://")
	config := strings.TrimPrefix(first.Admin().Config, "http://")
	_, busAddress, _ := strings.Cut(first.Admin().Bus, "@")
	freePort := unusedAddress(t)
	for name, test := range map[string]struct {
		change func(*app.Config)
		want   string
	}{
		"same data":    {func(other *app.Config) { other.Data = c.Data }, "(pid " + strconv.Itoa(os.Getpid()) + ")"},
		"same API":     {func(other *app.Config) { other.Listen = api }, "--listen"},
		"same bus":     {func(other *app.Config) { other.BusListen = busAddress }, "--bus-listen"},
		"same config":  {func(other *app.Config) { other.ConfigListen = config }, "--config-listen"},
		"same metrics": {func(other *app.Config) { other.MetricsListen = metrics }, "--metrics-listen"},
		"two parts on one port": {func(other *app.Config) {
			other.MetricsListen, other.BusListen = freePort, freePort
		}, "(by the embedded NATS server, with --bus-listen?)"},
	} {
		other := free(t.TempDir())
		test.change(&other)
		a, err := app.New(other)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want an error with %q, got %v", name, test.want, err)
		}
	}
}

// unusedAddress is on a port that was free a moment ago.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAServiceInAnotherAppTakesItsShare(t *testing.T) {
	whole := start(t, free(t.TempDir()))
	share := free("")
	share.Bus, share.Keys = whole.Admin().Bus, filepath.Join(whole.data, "keys.json")
	share.Services = []string{"core.city"}
	share.Version = "20990101000000"
	share.MetricsListen = app.Nothing
	start(t, share)

	b, err := dial.Bus(t.Context(), whole.Admin().Bus, bus.Zone{Region: "local", Zone: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	client := platform.NewClient(platform.Operator, b)
	health := platform.Builtin("core.city", platform.EndpointHealth)
	seen := map[string]int{}
	for range 200 {
		var by platform.ServedBy
		ctx := platform.CaptureServedBy(t.Context(), &by)
		if err := client.Call(ctx, health, &hansompb.HealthRequest{}, new(hansompb.HealthResponse)); err != nil {
			t.Fatal(err)
		}
		seen[by.Version]++
	}
	if seen["20260101000000"] == 0 || seen["20990101000000"] == 0 {
		t.Errorf("want both versions to be called, got %v", seen)
	}
}

func TestAPartThatCannotRunIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := app.Config{
		Bus: "nats://u:p@" + taken.Addr().String(), Services: []string{"core.city"},
		MetricsListen: app.Nothing, Logger: slog.New(slog.DiscardHandler),
	}
	a, err := app.New(c)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "bus: connect to the bus at nats://u:xxxxx@") {
		t.Errorf("want an error that names the bus and hides its password, got %v", err)
	}
}

func TestWrongConfigurationsAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*app.Config)
		want   string
	}{
		"unknown service":  {func(c *app.Config) { c.Services = []string{"core.nosuch"} }, "core.eta"},
		"taxis alone":      {func(c *app.Config) { c.Services, c.Taxis = []string{"core.eta"}, 1 }, "api.gateway"},
		"unknown services": {func(c *app.Config) { c.Services = []string{"core.a", "core.b"} }, `no service "core.a", "core.b" in`},
		"negative taxis":   {func(c *app.Config) { c.Taxis = -1 }, "0 or more"},
		"negative drain":   {func(c *app.Config) { c.Drain = -1 }, "0 or more"},
		"bad zone":         {func(c *app.Config) { c.Zone.Zone = "a b" }, `zone "a b"`},
		"bad version":      {func(c *app.Config) { c.Version = "1/2" }, `version "1/2"`},
		"address, no port": {func(c *app.Config) { c.Listen = "8080" }, "--listen 8080: want host:port"},
	} {
		c := free("")
		test.change(&c)
		if _, err := app.New(c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want an error with %q, got %v", name, test.want, err)
		}
	}
}

func TestRabbitMQDoesNotCoordinate(t *testing.T) {
	c := app.Config{Bus: "amqp://user:secret@127.0.0.1:5672", Services: []string{"kernel.binding"}, Logger: slog.New(slog.DiscardHandler)}
	_, err := app.New(c)
	if err == nil || !strings.Contains(err.Error(), "--coord") || strings.Contains(err.Error(), "secret") {
		t.Errorf("kernel.binding on RabbitMQ without coordination: want an error that names --coord and no password, got %v", err)
	}
	c.Services = []string{"core.eta"}
	if _, err := app.New(c); err != nil {
		t.Errorf("core.eta, which does not coordinate: want no error, got %v", err)
	}
	c.Services, c.Coord = []string{"kernel.binding"}, "nats://127.0.0.1:4222"
	if _, err := app.New(c); err != nil {
		t.Errorf("kernel.binding with coordination on NATS: want no error, got %v", err)
	}
}
