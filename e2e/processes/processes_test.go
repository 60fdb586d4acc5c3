package processes_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/app"
	"github.com/hansom-platform/hansom/bus"
	"github.com/hansom-platform/hansom/platform"
	bindingpb "github.com/hansom-platform/hansom/proto/kernel/binding"
	etapb "github.com/hansom-platform/hansom/proto/taxi/eta"
	routingpb "github.com/hansom-platform/hansom/proto/taxi/routing"
)

const otherVersion = "20990101000000"

// estimate calls core.eta and returns the version that answered.
func estimate(ctx context.Context, c *platform.Client) (string, error) {
	var by platform.ServedBy
	point := &routingpb.Point{Lat: 51.5, Lng: -0.12}
	_, err := etapb.NewEtaClient(c).Estimate(platform.CaptureServedBy(ctx, &by),
		&etapb.EstimateRequest{City: "LON", Origins: []*routingpb.Point{point}, Destination: point})
	return by.Version, err
}

// setSplit gives basisPoints of core.eta to otherVersion and waits until that is in force.
func setSplit(t *testing.T, c *platform.Client, basisPoints uint32) {
	t.Helper()
	binding := bindingpb.NewBindingClient(c)
	shares := []*bindingpb.Share{{Version: otherVersion, BasisPoints: basisPoints}}
	await(t, "the split is in force", func(ctx context.Context) error {
		if _, err := binding.SetSplit(ctx, &bindingpb.SetSplitRequest{Service: "core.eta", Shares: shares, Author: "test"}); err != nil {
			return err
		}
		traffic, err := binding.Traffic(ctx, &bindingpb.TrafficRequest{Service: "core.eta"})
		if err != nil {
			return err
		}
		for _, s := range traffic.GetServices() {
			for _, v := range s.GetVersions() {
				if v.GetVersion() == otherVersion && v.GetTargetBasisPoints() == basisPoints {
					return nil
				}
			}
		}
		return fmt.Errorf("no target of %d basis points in %v", basisPoints, traffic)
	})
}

func TestSplitBetweenProcesses(t *testing.T) { onEachEngine(t, testSplitBetweenProcesses) }

func testSplitBetweenProcesses(t *testing.T, engine string) {
	c := up(t, engine, t.TempDir())
	start(t, "run", "core.eta", "--version", otherVersion, "--data", c.data)
	operator := c.operator()
	setSplit(t, operator, 1000)

	met := make([]string, bus.Cohorts)
	calls := 0
	for round := range 2 {
		for cohort := range bus.Cohorts {
			if round > 0 && cohort%10 != 0 { // the second time round, a tenth will do
				continue
			}
			version, err := estimate(platform.WithCohort(context.Background(), cohort), operator)
			if err != nil {
				t.Fatalf("cohort %d: %v", cohort, err)
			}
			if round > 0 && met[cohort] != version {
				t.Fatalf("cohort %d met version %s and then %s, want the same", cohort, met[cohort], version)
			}
			met[cohort] = version
			if round == 0 && version == otherVersion {
				calls++
			}
		}
	}
	// Cohorts are drawn by a hash with a random salt: a standard deviation is 0.3 %.
	if share := float64(calls) / bus.Cohorts; share < 0.085 || share > 0.115 {
		t.Errorf("version %s got %.2f %% of one call per cohort, want 10 %% within 1.5 %%", otherVersion, 100*share)
	}
}

// TestKilledProcess loads the thin API at 500 requests a second and kills the
// process that takes half of one service's traffic.
func TestKilledProcess(t *testing.T) { onEachEngine(t, testKilledProcess) }

func testKilledProcess(t *testing.T, engine string) {
	c := up(t, engine, t.TempDir())
	other := start(t, "run", "core.eta", "--version", otherVersion, "--data", c.data)
	operator := c.operator()
	setSplit(t, operator, 5000)

	load := loadAPI(t, c.admin, 2000)
	load.awaitAnswers(800)
	other.kill()
	load.wait()
	if failed := load.failed.Load(); failed != 0 {
		t.Errorf("%d of %d requests failed, want none; the first: %v", failed, load.answered.Load(), load.first.Load())
	}
	await(t, "core.eta is left with one version", func(ctx context.Context) error {
		version, err := estimate(ctx, operator)
		if err == nil && version == otherVersion {
			err = fmt.Errorf("version %s answers after it was killed", version)
		}
		return err
	})
}

func TestInterruptedPlatformComesUpAgain(t *testing.T) {
	onEachEngine(t, testInterruptedPlatformComesUpAgain)
}

func testInterruptedPlatformComesUpAgain(t *testing.T, engine string) {
	data := t.TempDir()
	for range 2 {
		c := up(t, engine, data)
		load := loadAPI(t, c.admin, 50)
		load.wait()
		if failed := load.failed.Load(); failed != 0 {
			t.Errorf("%d of %d requests failed, want none; the first: %v", failed, load.answered.Load(), load.first.Load())
		}
		c.interrupt()
	}
}

func TestKilledPlatformComesUpAgain(t *testing.T) { onEachEngine(t, testKilledPlatformComesUpAgain) }

func testKilledPlatformComesUpAgain(t *testing.T, engine string) {
	data := t.TempDir()
	up(t, engine, data).kill()
	c := up(t, engine, data)
	load := loadAPI(t, c.admin, 50)
	load.wait()
	if failed := load.failed.Load(); failed != 0 {
		t.Errorf("%d of %d requests failed, want none; the first: %v", failed, load.answered.Load(), load.first.Load())
	}
	c.interrupt()
}

// apiLoad is a load of near-drivers requests on the thin API, each of another customer.
type apiLoad struct {
	t        *testing.T
	running  sync.WaitGroup
	answered atomic.Int64
	failed   atomic.Int64
	first    atomic.Value // the first failure
}

const loadPause = 2 * time.Millisecond // between requests: 500 a second

func loadAPI(t *testing.T, at app.Admin, requests int) *apiLoad {
	l := &apiLoad{t: t}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(client.CloseIdleConnections)
	l.running.Go(func() {
		tick := time.NewTicker(loadPause)
		defer tick.Stop()
		for i := range requests {
			<-tick.C
			l.running.Go(func() { l.record(nearDrivers(client, at, i)) })
		}
	})
	t.Cleanup(l.running.Wait)
	return l
}

func (l *apiLoad) record(err error) {
	if err != nil {
		l.failed.Add(1)
		l.first.CompareAndSwap(nil, err.Error())
	}
	l.answered.Add(1)
}

func (l *apiLoad) wait() { l.running.Wait() }

func (l *apiLoad) awaitAnswers(n int64) {
	l.t.Helper()
	await(l.t, "the load is on", func(context.Context) error {
		if got := l.answered.Load(); got < n {
			return fmt.Errorf("%d of %d answers", got, n)
		}
		return nil
	})
}

// nearDrivers asks as the administrator, who may ask as if of any customer's cohort.
func nearDrivers(client *http.Client, at app.Admin, customer int) error {
	request, err := http.NewRequest(http.MethodGet, at.API+"/v1/customer/neardrivers?city=LON&lat=51.5074&lng=-0.1278", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+at.Session)
	request.Header.Set("X-Customer-Id", fmt.Sprint("c", customer))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return err
}
