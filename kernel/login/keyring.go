package login

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/platform/auth"
	"github.com/hansom-platform/hansom/store"
)

// storedKey is one signing key as it is stored: the private half sealed under a key
// that follows from the master key.
type storedKey struct {
	ID     string            `json:"kid"`
	Public ed25519.PublicKey `json:"public"`
	Sealed []byte            `json:"sealed"`
	Made   time.Time         `json:"made"`
	From   time.Time         `json:"from"` // signs from then on, until a later one does
}

// signingKey is a storedKey that is opened.
type signingKey struct {
	storedKey
	number uint64
	signer *auth.Signer
}

// keyring holds the signing keys. In the store they are numbered, and the next
// number is taken by whoever creates it first, so that several instances that start
// at once agree on one key.
type keyring struct {
	table *store.Table
	env   string
	root  *auth.Root
	seal  cipher.AEAD

	mu     sync.Mutex
	keys   []signingKey // by number
	signed string       // the key set of keys
	at     time.Time    // of signed
}

const (
	keysPartition = "keys"
	publishAhead  = 5 * time.Second // how long a new key is known before it signs
	signAgain     = time.Hour       // the key set is signed anew so often
)

func newKeyring(t *store.Table, env string, master []byte, root *auth.Root) (*keyring, error) {
	block, err := aes.NewCipher(derive(master, "signing keys"))
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCM(block)
	return &keyring{table: t, env: env, root: root, seal: seal}, err
}

// refresh takes over what is in the store, makes the first key where there is
// none, and drops keys whose last token has expired.
func (k *keyring) refresh(ctx context.Context) error {
	keys, err := k.read(ctx)
	if err == nil && len(keys) == 0 {
		keys, err = k.first(ctx)
	}
	if err != nil {
		return err
	}
	keys, err = k.drop(ctx, keys)
	if err != nil {
		return err
	}
	return k.take(keys)
}

func (k *keyring) read(ctx context.Context) ([]signingKey, error) {
	var keys []signingKey
	for r, err := range k.table.All(ctx, keysPartition, store.Range{}) {
		if err != nil {
			return nil, err
		}
		key, known := k.find(r.Key.Clustering)
		if !known {
			if key, err = k.open(r); err != nil {
				return nil, err
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// find returns a key that is opened already.
func (k *keyring) find(clustering string) (signingKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		if numbered(key.number) == clustering {
			return key, true
		}
	}
	return signingKey{}, false
}

// open reads a stored key.
func (k *keyring) open(r store.Record) (signingKey, error) {
	stored, err := decode[storedKey](r)
	if err != nil {
		return signingKey{}, err
	}
	var number uint64
	if _, err := fmt.Sscanf(r.Key.Clustering, "%d", &number); err != nil {
		return signingKey{}, fault.Wrap(err, fault.Unavailable, store.ReasonCorrupt, "signing key %q has no number", r.Key.Clustering)
	}
	size := k.seal.NonceSize()
	if len(stored.Sealed) < size {
		return signingKey{}, k.wrongMaster(stored.ID)
	}
	seed, err := k.seal.Open(nil, stored.Sealed[:size], stored.Sealed[size:], k.bound(stored))
	if err != nil || len(seed) != ed25519.SeedSize {
		return signingKey{}, k.wrongMaster(stored.ID)
	}
	signer := auth.NewSigner(k.env, ed25519.NewKeyFromSeed(seed), stored.ID)
	return signingKey{stored, number, signer}, nil
}

// bound is what a sealed key is tied to, so that it cannot be passed off as another's.
func (k *keyring) bound(s storedKey) []byte { return []byte(k.env + "\x00" + s.ID) }

func (k *keyring) wrongMaster(kid string) error {
	return fault.New(fault.Forbidden, "kernel.login.master_key",
		"the master key does not open the signing key %s in the store: it is that of another environment than %q, or was replaced. "+
			"Start kernel.login with the master key that the store was made with (the member \"login\" of data/keys.json under hansom up)", kid, k.env)
}

// first makes the first key, or returns those of somebody who was faster.
func (k *keyring) first(ctx context.Context) ([]signingKey, error) {
	if _, err := k.create(ctx, 1, time.Now()); err != nil && !store.IsConflict(err) {
		return nil, err
	}
	return k.read(ctx)
}

func (k *keyring) create(ctx context.Context, number uint64, from time.Time) (storedKey, error) {
	public, private, err := newKey()
	if err != nil {
		return storedKey{}, err
	}
	s := storedKey{ID: thumbprint(public), Public: public, Made: time.Now(), From: from}
	nonce := randomBytes(k.seal.NonceSize())
	s.Sealed = k.seal.Seal(nonce, nonce, private.Seed(), k.bound(s))
	_, err = k.table.Create(ctx, store.Key{Partition: keysPartition, Clustering: numbered(number)}, encode(s))
	return s, err
}

// newKey makes a key whose thumbprint can name it: one in 32 begins with a hyphen or an
// underscore, as identifiers may not.
func newKey() (ed25519.PublicKey, ed25519.PrivateKey, error) {
	for {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil || auth.ValidIdentifier(thumbprint(public)) {
			return public, private, err
		}
	}
}

// thumbprint names a key (RFC 7638, with the members that RFC 8037 §2 requires).
func thumbprint(key ed25519.PublicKey) string {
	return digestOf(`{"crv":"Ed25519","kty":"OKP","x":"` + b64.EncodeToString(key) + `"}`)
}

// rotate makes a new key, which signs a few seconds later.
func (k *keyring) rotate(ctx context.Context) (storedKey, error) {
	var made storedKey
	err := untilSettled("rotate the signing key", func() error {
		keys, err := k.read(ctx)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return fault.New(fault.Unavailable, "kernel.login.starting", "this login instance has only just started; try again")
		}
		made, err = k.create(ctx, keys[len(keys)-1].number+1, time.Now().Add(publishAhead))
		return err
	})
	if err != nil {
		return made, err
	}
	return made, k.refresh(ctx)
}

// drop removes keys that the next one replaced so long ago that no token of theirs is alive.
func (k *keyring) drop(ctx context.Context, keys []signingKey) ([]signingKey, error) {
	for len(keys) > 1 && time.Since(keys[1].From) > maxToken+skew {
		if err := k.table.Delete(ctx, store.Key{Partition: keysPartition, Clustering: numbered(keys[0].number)}); err != nil {
			return nil, err
		}
		keys = keys[1:]
	}
	return keys, nil
}

// take makes keys the present ones, and signs the set of them where it changed.
func (k *keyring) take(keys []signingKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	same := len(keys) == len(k.keys) && keys[0].number == k.keys[0].number
	if same && k.signed != "" && time.Since(k.at) < signAgain {
		return nil
	}
	public := make(map[string]ed25519.PublicKey, len(keys))
	for _, key := range keys {
		public[key.ID] = key.Public
	}
	signed, err := k.root.KeySet(public)
	if err != nil {
		return err
	}
	k.keys, k.signed, k.at = keys, signed, time.Now()
	return nil
}

// current returns the key that signs now.
func (k *keyring) current() (signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := len(k.keys) - 1; i >= 0; i-- {
		if i == 0 || !k.keys[i].From.After(time.Now()) {
			return k.keys[i], nil
		}
	}
	return signingKey{}, fault.New(fault.Unavailable, "kernel.login.starting", "this login instance has only just started; try again")
}

// signer returns the key with an id, if it is not dropped yet.
func (k *keyring) signer(kid string) (*auth.Signer, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		if key.ID == kid {
			return key.signer, true
		}
	}
	return nil, false
}

// set returns the signed key set.
func (k *keyring) set() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.signed
}
