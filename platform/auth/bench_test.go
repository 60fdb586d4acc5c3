package auth_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/platform/auth"
)

// BenchmarkBareVerify is what a signature costs by itself, to hold the others against:
// BenchmarkVerify is to stay within 1.3 times of it, BenchmarkVerifyCached within 1 µs.
func BenchmarkBareVerify(b *testing.B) {
	public, private, _ := ed25519.GenerateKey(nil)
	message := make([]byte, 350) // as long as a user token without its signature
	signature := ed25519.Sign(private, message)
	b.ReportAllocs()
	for b.Loop() {
		if !ed25519.Verify(public, message, signature) {
			b.Fatal("not verified")
		}
	}
}

// BenchmarkVerify verifies user tokens that come for the first time.
func BenchmarkVerify(b *testing.B) {
	o := newOffice(b, "local")
	tokens := make([]string, 2000)
	for i := range tokens {
		tokens[i] = o.user(b, func(u *auth.User) { u.Session = fmt.Sprintf("s%d", i) })
	}
	var v *auth.Verifier
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(tokens) == 0 { // another one, which has seen none of them
			v = auth.NewVerifier(o.root.PublicKey(), "local")
			if err := v.SetKeys(o.verifier.Keys()); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := v.User(tokens[i%len(tokens)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyCached verifies a user token that came before, beside revocations.
func BenchmarkVerifyCached(b *testing.B) {
	o := newOffice(b, "local")
	token := o.user(b)
	for i := range 1000 {
		o.verifier.Revoke(auth.Revocation{Number: uint64(i + 1), Session: "other", Before: time.Now().Add(time.Duration(i))})
	}
	if _, err := o.verifier.User(token); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := o.verifier.User(token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkVerifyIdentityCached is what a call between services costs.
func BenchmarkVerifyIdentityCached(b *testing.B) {
	o := newOffice(b, "local")
	token := o.identity(b)
	if _, err := o.verifier.Identity(token, "core.routing"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := o.verifier.Identity(token, "core.routing"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	o := newOffice(b, "local")
	b.ReportAllocs()
	for b.Loop() {
		o.user(b)
	}
}
