package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/hansom-platform/hansom/platform"
	loginpb "github.com/hansom-platform/hansom/proto/kernel/login"
)

// The costs of argon2id that kernel.login hashes with by default (OWASP's Password Storage Cheat Sheet).
const (
	hashMemoryKiB = 19456
	hashPasses    = 2
	hashLanes     = 1
)

// logins is how many can log in.
type logins struct {
	Hashes float64 `json:"bare_hashes_per_second"`
	Logins float64 `json:"logins_per_second"`
	Ratio  float64 `json:"ratio_to_bare"`
	latency
}

// measureLogins logs customers in over the bus, with as many callers as there are processors, and
// in turns with that hashes as many passwords and does nothing else.
func measureLogins(ctx context.Context, o options) (any, error) {
	h, err := openHouse(ctx)
	if err != nil {
		return nil, err
	}
	defer h.close()
	caller, err := h.caller()
	if err != nil {
		return nil, err
	}
	o.callers = min(runtime.NumCPU(), len(customers))
	ways := []peer{{name: "bare argon2id", call: hashOnce}, {name: "login", call: newCustomers(o.callers, caller).logIn}}
	samples := make([][]sample, len(ways))
	for round := range o.rounds {
		progress("round %d of %d", round+1, o.rounds)
		for i, p := range ways {
			s, err := load(ctx, p, o, o.duration)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	f := summarise(ways, samples)
	r := logins{f[0].PerSecond, f[1].PerSecond, f[1].Ratios[ways[0].name], latency{f[1].P50, f[1].P99}}
	fmt.Printf("  %.1f logins/s (%v) with %d callers, %.2f times %.1f bare argon2id hashes/s of %d MiB and %d passes\n",
		r.Logins, r.latency, o.callers, r.Ratio, r.Hashes, hashMemoryKiB>>10, hashPasses)
	return r, nil
}

func hashOnce(context.Context, []byte) error {
	argon2.IDKey([]byte(password), make([]byte, 16), hashPasses, hashMemoryKiB, hashLanes, 32)
	return nil
}

// crowd is customers who log in, each by one device and never twice at once.
type crowd struct {
	client *loginpb.LoginClient
	free   chan customer
}

// customer is one of them, with what the device remembers of its last login.
type customer struct{ name, device string }

func newCustomers(n int, caller *platform.Service) *crowd {
	c := &crowd{loginpb.NewLoginClient(caller), make(chan customer, n)}
	for _, name := range customers[:n] {
		c.free <- customer{name: name}
	}
	return c
}

func (c *crowd) logIn(ctx context.Context, _ []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	who := <-c.free
	defer func() { c.free <- who }()
	began := time.Now()
	r, err := c.client.Authenticate(ctx, &loginpb.AuthenticateRequest{
		Application: "customer", Identifier: who.name, Password: password, DeviceType: "web", KnownDevice: who.device,
	})
	if err != nil {
		return fmt.Errorf("log in after %v: %w", time.Since(began), err)
	}
	who.device = r.GetKnownDevice()
	return nil
}
