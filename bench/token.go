package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/platform/auth"
)

// tokensPerRound is how many tokens are verified in a round, each way.
const tokensPerRound = 500

// tokenRounds are many and short, so that the ways are compared in the same weather.
const tokenRounds = 40

// verifications is what verifying one token costs, as medians of the rounds.
type verifications struct {
	Bare   time.Duration `json:"bare_ed25519_ns"`
	New    time.Duration `json:"new_ns"`
	Ratio  float64       `json:"ratio_to_bare"`
	Cached time.Duration `json:"cached_ns"`
}

// measureTokens verifies user tokens that come for the first time, the same that come again, and
// their signatures alone.
func measureTokens(_ context.Context, _ options) (any, error) {
	m, err := newMint()
	if err != nil {
		return nil, err
	}
	var bare, fresh, cached, ratios []float64
	for round := range tokenRounds {
		tokens, signed, err := m.tokens(round)
		if err != nil {
			return nil, err
		}
		v, err := m.verifier()
		if err != nil {
			return nil, err
		}
		b := each(func(i int) bool { return ed25519.Verify(m.public, signed[i].text, signed[i].signature) })
		n := each(func(i int) bool { _, err := v.User(tokens[i]); return err == nil })
		c := each(func(i int) bool { _, err := v.User(tokens[i]); return err == nil })
		if b < 0 || n < 0 || c < 0 {
			return nil, fmt.Errorf("a good token was refused")
		}
		bare, fresh, cached, ratios = append(bare, b), append(fresh, n), append(cached, c), append(ratios, n/b)
	}
	r := verifications{time.Duration(median(bare)), time.Duration(median(fresh)), median(ratios), time.Duration(median(cached))}
	fmt.Printf("  bare Ed25519 %v; a new token %v, %.2f times that (goal ≤ 1.30); one that came before %v (goal ≤ 1µs)\n",
		short(r.Bare), short(r.New), r.Ratio, short(r.Cached))
	return r, nil
}

// each returns the mean time of one verification in nanoseconds, or less than 0 where one failed.
func each(verify func(i int) bool) float64 {
	start := time.Now()
	for i := range tokensPerRound {
		if !verify(i) {
			return -1
		}
	}
	return float64(time.Since(start)) / tokensPerRound
}

// mint makes tokens as kernel.login does.
type mint struct {
	root   *auth.Root
	public ed25519.PublicKey
	signer *auth.Signer
	keys   string
}

func newMint() (*mint, error) {
	master := make([]byte, auth.MasterSize)
	_, _ = rand.Read(master) // it never fails
	root, err := auth.NewRoot(environment, master)
	if err != nil {
		return nil, err
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	keys, err := root.KeySet(map[string]ed25519.PublicKey{"key-1": public})
	return &mint{root, public, auth.NewSigner(environment, private, "key-1"), keys}, err
}

// verifier returns one that has seen no token.
func (m *mint) verifier() (*auth.Verifier, error) {
	v := auth.NewVerifier(m.root.PublicKey(), environment)
	return v, v.SetKeys(m.keys)
}

// signed is what a signature is of, and the signature.
type signed struct{ text, signature []byte }

func (m *mint) tokens(round int) ([]string, []signed, error) {
	tokens, parts := make([]string, tokensPerRound), make([]signed, tokensPerRound)
	now := time.Now()
	for i := range tokens {
		var err error
		tokens[i], err = m.signer.User(&auth.User{
			ID: "u-7f3c9d1e5b2a4860", Application: "customer", Session: fmt.Sprintf("s-%d-%d", round, i), Device: "ios",
			Roles: []string{roleCustomer}, Issued: now, Expires: now.Add(time.Hour),
		})
		if err != nil {
			return nil, nil, err
		}
		dot := strings.LastIndexByte(tokens[i], '.')
		parts[i].text = []byte(tokens[i][:dot])
		if parts[i].signature, err = base64.RawURLEncoding.DecodeString(tokens[i][dot+1:]); err != nil {
			return nil, nil, err
		}
	}
	return tokens, parts, nil
}
