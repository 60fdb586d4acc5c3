// Package sim drives simulated taxis through a city by the public HTTP API, as real
// driver apps would: the fleet logs in with one account, each taxi signs on with a profile, reports its position every few
// seconds, backs off when the API is away, signs on again after, and signs off at
// the end. App and cli import it; it knows nothing of the platform behind the API.
//
// The movement of a fleet is determined by its seed; see taxi.go, which is pure.
package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to simulate. API and, where the API asks for sessions,
// Identifier and Password are required.
type Config struct {
	API string // base URL of the thin API, such as http://localhost:8080

	// Identifier and Password are of a user of the application driver who may
	// report for any driver: the role FLEET. A fleet has a session of its own by
	// its city and Seed; fleets of other seeds may share the account.
	Identifier, Password string

	City     string        // code of the city; default LON
	Drivers  int           // default 200
	Seed     uint64        // of names and movements, and part of the drivers' ids; 0 draws one
	Interval time.Duration // mean time between a taxi's reports, give or take a tenth; default 5 s
	Client   *http.Client  // default: one with few connections, kept open
	Logger   *slog.Logger  // default: slog.Default()
}

// Stats counts what a simulation did so far. Failures include those while the API
// was away.
type Stats struct {
	SignedOn int64 // taxis now on duty
	Reports  int64 // positions taken by the API
	Failures int64 // requests of any kind that failed
}

// Sim is one simulated fleet.
type Sim struct {
	config Config
	phone  phone

	signedOn, reports, failures atomic.Int64
	complained                  atomic.Int64 // Unix second of the last warning
	place                       atomic.Pointer[city]
}

// maxDrivers keeps a slip of the keyboard from flooding an API.
const maxDrivers = 20_000

// New checks c. It calls nobody.
func New(c Config) (*Sim, error) {
	base, err := url.Parse(c.API)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("sim: API %q: want a URL such as http://localhost:8080", c.API)
	}
	if c.Drivers < 0 || c.Drivers > maxDrivers {
		return nil, fmt.Errorf("sim: %d drivers: want 1 to %d", c.Drivers, maxDrivers)
	}
	if c.Interval < 0 {
		return nil, fmt.Errorf("sim: interval %s: want more than 0", c.Interval)
	}
	if (c.Identifier == "") != (c.Password == "") {
		return nil, errors.New("sim: want an identifier and a password, or none of them")
	}
	c.City = cmp.Or(c.City, "LON")
	c.Drivers = cmp.Or(c.Drivers, 200)
	c.Seed = cmp.Or(c.Seed, rand.Uint64())
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.Client = cmp.Or(c.Client, newClient())
	c.Logger = cmp.Or(c.Logger, slog.Default())
	s := &Sim{config: c, phone: phone{base: base, http: c.Client}}
	if c.Identifier != "" {
		s.phone.account = newAccount(c.Identifier, c.Password, fmt.Sprintf("sim-%s-%x", c.City, c.Seed))
	}
	return s, nil
}

// newClient returns a client for which a few kept connections carry all taxis.
func newClient() *http.Client {
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxConnsPerHost:     8,
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		},
	}
}

// Stats may be called at any time.
func (s *Sim) Stats() Stats {
	return Stats{SignedOn: s.signedOn.Load(), Reports: s.reports.Load(), Failures: s.failures.Load()}
}

// signOffLimit bounds how long the fleet takes to sign off.
const signOffLimit = 2 * time.Second

// Run drives the fleet until ctx ends, then signs it off, logs out and returns nil.
// It waits for an API that is away, and returns an error only when the API says at
// the start that there is no such city, or refuses the account. The city's details
// are asked for again at intervals, so that the fleet follows its configuration.
func (s *Sim) Run(ctx context.Context) error {
	defer s.config.Client.CloseIdleConnections()
	where, err := s.where(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	s.place.Store(&where)
	off, cancel := untilAfter(ctx, signOffLimit)
	defer cancel()
	var fleet sync.WaitGroup
	fleet.Go(func() { s.follow(ctx) })
	for i := range s.config.Drivers {
		fleet.Go(func() { s.drive(ctx, off, i, where) })
	}
	fleet.Wait()
	s.phone.logout(off)
	return nil
}

// lookAgain is how often the city's details are asked for.
const lookAgain = time.Minute

// follow keeps the city's details up to date until ctx ends.
func (s *Sim) follow(ctx context.Context) {
	for {
		if sleep(ctx, lookAgain); ctx.Err() != nil {
			return
		}
		c, err := s.phone.city(ctx, s.config.City)
		if err != nil {
			s.failed(ctx, "asking for the city again", err)
			continue
		}
		s.place.Store(&c)
	}
}

// untilAfter returns a context that ends some time after ctx does.
func untilAfter(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(limit, cancel) })
	return later, func() { stop(); cancel() }
}

// where asks for the city's details until the API answers or ctx ends.
func (s *Sim) where(ctx context.Context) (city, error) {
	for pause := newBackoff(rand.Uint64()); ctx.Err() == nil; pause.sleep(ctx) {
		c, err := s.phone.city(ctx, s.config.City)
		if err == nil {
			return c, nil
		}
		if !away(err) {
			return city{}, fmt.Errorf("simulating taxis in %s: %w", s.config.City, err)
		}
		s.failed(ctx, "asking for the city", err)
	}
	return city{}, nil
}

// drive is the life of one taxi; off outlasts ctx by the time for signing off.
func (s *Sim) drive(ctx, off context.Context, number int, where city) {
	t := newTaxi(s.config.Seed, number, where)
	me := newDriver(s.config.Seed, number, where.Code)
	pause := newBackoff(s.config.Seed + uint64(number))
	sleep(ctx, s.config.Interval*time.Duration(number)/time.Duration(s.config.Drivers))
	for ctx.Err() == nil {
		if err := s.phone.signOn(ctx, me); err != nil {
			s.failed(ctx, "signing on", err)
			pause.sleep(ctx)
			continue
		}
		s.signedOn.Add(1)
		s.shift(ctx, t, me, pause)
		s.signedOn.Add(-1)
		if ctx.Err() == nil {
			pause.sleep(ctx)
		}
	}
	if t.reported {
		_ = s.phone.report(off, t.point(me, false)) // the position expires anyhow
	}
}

// shift reports positions until ctx ends or a report fails.
func (s *Sim) shift(ctx context.Context, t *taxi, me driver, pause *backoff) {
	for last := time.Now(); ctx.Err() == nil; sleep(ctx, pause.jitter(s.config.Interval)) {
		now := time.Now()
		t.city = *s.place.Load()
		t.step(now.Sub(last).Seconds())
		last = now
		if err := s.phone.report(ctx, t.point(me, !t.occupied)); err != nil {
			s.failed(ctx, "reporting a position", err)
			return
		}
		t.reported = true
		s.reports.Add(1)
		pause.reset()
	}
}

// failed counts a failure, and warns of one every ten seconds.
func (s *Sim) failed(ctx context.Context, doing string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.failures.Add(1)
	now, last := time.Now().Unix(), s.complained.Load()
	if now-last >= 10 && s.complained.CompareAndSwap(last, now) {
		s.config.Logger.WarnContext(ctx, "simulated taxi failed at "+doing+", trying again later",
			"city", s.config.City, "failures", s.failures.Load(), "error", err)
	}
}
