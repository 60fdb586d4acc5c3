package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/hansom-platform/hansom/fault"
)

// HashParams are the costs of argon2id (RFC 9106 §3.1). The zero value of a field means the
// default in brackets, which is what OWASP's Password Storage Cheat Sheet recommends.
type HashParams struct {
	MemoryKiB uint32 // (19456)
	Passes    uint32 // (2)
	Lanes     uint8  // (1)
}

func (p HashParams) withDefaults() HashParams {
	return HashParams{
		MemoryKiB: cmp.Or(p.MemoryKiB, 19456),
		Passes:    cmp.Or(p.Passes, 2),
		Lanes:     cmp.Or(p.Lanes, 1),
	}
}

const (
	saltBytes = 16
	hashBytes = 32
)

// digest is a password's hash with what it was made with.
type digest struct {
	HashParams
	salt, sum []byte
}

func (p HashParams) digest(password string, salt []byte) digest {
	return digest{p, salt, argon2.IDKey([]byte(password), salt, p.Passes, p.MemoryKiB, p.Lanes, hashBytes)}
}

// String returns the digest in the PHC string format.
func (d digest) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		d.MemoryKiB, d.Passes, d.Lanes, b64.EncodeToString(d.salt), b64.EncodeToString(d.sum))
}

// parseDigest reads the PHC string format.
func parseDigest(s string) (digest, error) {
	var (
		d       digest
		version int
		parts   = strings.Split(s, "$")
	)
	bad := fmt.Errorf("password hash: want $argon2id$v=%d$m=…,t=…,p=…$salt$hash", argon2.Version)
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return d, bad
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return d, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &d.MemoryKiB, &d.Passes, &d.Lanes); err != nil {
		return d, bad
	}
	var saltErr, sumErr error
	d.salt, saltErr = base64.RawStdEncoding.DecodeString(parts[4])
	d.sum, sumErr = base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || sumErr != nil || len(d.sum) != hashBytes || d.MemoryKiB == 0 || d.Passes == 0 || d.Lanes == 0 {
		return d, bad
	}
	return d, nil
}

// hasher hashes passwords, as many at once as there are processors: more would
// only take memory, and time from everything else.
type hasher struct {
	params  HashParams
	slots   chan struct{}
	waiting atomic.Int64
	mean    atomic.Int64 // of one hash's duration, in nanoseconds
	decoy   func() string
}

func newHasher(p HashParams) *hasher {
	h := &hasher{params: p.withDefaults(), slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	h.decoy = sync.OnceValue(func() string {
		return h.params.digest(rand.Text(), randomBytes(saltBytes)).String()
	})
	return h
}

// hash returns the digest of a new password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	var made digest
	err := h.work(ctx, func() { made = h.params.digest(password, randomBytes(saltBytes)) })
	return made.String(), err
}

// verify reports whether password is the one of stored, and whether stored should
// be made anew with today's costs. An empty stored, of somebody unknown or without a
// password, takes the same time and is never right.
func (h *hasher) verify(ctx context.Context, stored, password string) (right, stale bool, err error) {
	known := stored != ""
	if !known {
		stored = h.decoy()
	}
	want, err := parseDigest(stored)
	if err != nil {
		return false, false, fault.Wrap(err, fault.Internal, "kernel.login.hash", "a stored password cannot be read; set a new one")
	}
	var got digest
	if err := h.work(ctx, func() { got = want.digest(password, want.salt) }); err != nil {
		return false, false, err
	}
	equal := subtle.ConstantTimeCompare(got.sum, want.sum) == 1
	return equal && known, want.HashParams != h.params, nil
}

// work does f once there is room, or refuses at once what would have to wait
// longer than its context allows.
func (h *hasher) work(ctx context.Context, f func()) error {
	ahead := h.waiting.Add(1) - 1
	defer h.waiting.Add(-1)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < h.expect(ahead) {
		return busy()
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return busy()
	}
	defer func() { <-h.slots }()
	start := time.Now()
	f()
	h.measured(time.Since(start))
	return nil
}

// expect is how long something takes that finds so many ahead of itself.
func (h *hasher) expect(ahead int64) time.Duration {
	rounds := ahead/int64(cap(h.slots)) + 1
	return time.Duration(rounds * h.mean.Load())
}

// measured keeps a moving mean. Of two that write at once one is lost, which does not matter.
func (h *hasher) measured(took time.Duration) {
	mean := h.mean.Load()
	h.mean.Store(mean + (int64(took)-mean)/8)
}

func busy() error {
	return fault.New(fault.Unavailable, "kernel.login.busy", "too many are logging in at this moment; try again")
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return b
}
