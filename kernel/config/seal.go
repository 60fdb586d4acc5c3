package config

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/store"
)

// KeySize is the length of Config.Key.
const KeySize = 32

// sealer seals secrets with AES-256-GCM under a key derived from the configured one. A
// sealing is bound to the document's id, its place in it and who may read it, so that it opens
// nowhere else. Nonces are random: a key is good for 2^32 sealings (NIST SP 800-38D §8.3).
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (*sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key that seals secrets has %d bytes; it must have %d", len(key), KeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "hansom kernel.config secrets 1", KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealer{aead}, err
}

func (s *sealer) seal(id string, path, readers []string, plain []byte) string {
	sealed := s.aead.Seal(nil, nil, plain, bound(id, path, readers)) //nolint:gosec // the AEAD makes the nonce itself, at random
	return base64.RawStdEncoding.EncodeToString(sealed)
}

var errSealing = errors.New("the secret cannot be opened: it was sealed with another key, or elsewhere")

func (s *sealer) open(id string, path, readers []string, sealed string) ([]byte, error) {
	text, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errSealing
	}
	plain, err := s.aead.Open(nil, nil, text, bound(id, path, readers))
	if err != nil {
		return nil, errSealing
	}
	return plain, nil
}

// bound is the additional data of a sealing. Each part's length goes before it, so that no two places read alike.
func bound(id string, path, readers []string) []byte {
	var b []byte
	for _, part := range []string{id, document.Pointer(path...), strings.Join(readers, ",")} {
		b = fmt.Appendf(b, "%d:%s", len(part), part)
	}
	return b
}

// checkKey makes sure that the key is the one that this store's secrets are sealed with.
func (s *sealer) checkKey(ctx context.Context, table *store.Table) error {
	const id, plain = "key", "this is the key"
	at := store.Key{Partition: "meta", Clustering: id}
	r, err := table.Get(ctx, at)
	if fault.Is(err, fault.NotFound) {
		if r, err = table.Create(ctx, at, []byte(s.seal(id, nil, nil, []byte(plain)))); fault.Is(err, fault.Conflict) {
			r, err = table.Get(ctx, at)
		}
	}
	if err != nil {
		return err
	}
	if _, err := s.open(id, nil, nil, string(r.Value)); err != nil {
		return fault.New(fault.BadRequest, "kernel.config.key",
			"the secrets in this store are sealed with another key; start kernel.config with the key that belongs to the store (keys.json of its data folder)")
	}
	return nil
}

// sealGiven returns what is stored for a secret that an author wrote into a document. stored is what the
// document holds until now. Who may neither read a secret nor is an administrator cannot have others read it.
func (s *sealer) sealGiven(c caller, id string, stored any, path []string, g document.Given) (document.Secret, error) {
	readers := g.For
	if g.Hidden {
		was, ok := document.At(stored, path)
		kept, isSecret := was.(document.Secret)
		switch {
		case !ok || !isSecret:
			return document.Secret{}, errors.New(`a hidden secret keeps what is stored, and here no secret is stored: write its "value"`)
		case readers == nil || strings.Join(readers, ",") == strings.Join(kept.For, ","):
			return kept, nil
		case !c.admin && !c.reads(kept):
			return document.Secret{}, denied("%q is no administrator and none of the readers of the secret at %s of %s, and may not change who reads it",
				c.author, document.Pointer(path...), id)
		}
		plain, err := s.open(id, path, kept.For, kept.Sealed)
		if err != nil {
			return document.Secret{}, err
		}
		return document.Secret{Document: id, For: readers, Sealed: s.seal(id, path, readers, plain)}, nil
	}
	if readers == nil {
		if readers = []string{layerService(id)}; readers[0] == "" {
			return document.Secret{}, errors.New(`a secret in a document that is no layer of one service says who may read it: "for": ["<service>"]`)
		}
	}
	sealed := s.seal(id, path, readers, document.Encode(g.Value))
	return document.Secret{Document: id, For: readers, Sealed: sealed}, nil
}

// reveal returns a value with the secrets that may be read, and others hidden.
func (s *sealer) reveal(v any, may func(document.Secret) bool) (any, error) {
	return document.Reveal(v, func(path []string, secret document.Secret) (any, error) {
		if !may(secret) {
			return document.Hidden(secret), nil
		}
		plain, err := s.open(secret.Document, path, secret.For, secret.Sealed)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "kernel.config.sealing", "the secret at %s of %s cannot be opened",
				document.Pointer(path...), secret.Document)
		}
		return document.ParseStored(plain)
	})
}
