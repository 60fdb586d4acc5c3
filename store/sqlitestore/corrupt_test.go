package sqlitestore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store"
	"github.com/hansom-platform/hansom/store/sqlitestore"
)

// sound makes a file with records small and large, and returns its bytes and what was acknowledged.
func sound(t *testing.T) (file []byte, acknowledged map[string]string) {
	t.Helper()
	path := temp(t)
	d, tb := open(t, path)
	acknowledged = map[string]string{}
	for i := range 120 {
		k, value := key("%03d", i), bytes.Repeat(fmt.Appendf(nil, "value %d.", i), 1+i%7*i%300)
		put(t, tb, k, value)
		if i%9 == 0 {
			if err := tb.Delete(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			continue
		}
		acknowledged[k.Clustering] = string(value)
	}
	closeStore(t, d)
	return read(t, path), acknowledged
}

// TestDamageIsNeverServed flips bytes all over a file. Either Open says so, or all is as it was acknowledged: a
// record that is wrong or missing without an error is the one thing that must not be.
func TestDamageIsNeverServed(t *testing.T) {
	t.Parallel()
	file, acknowledged := sound(t)
	random := rand.New(rand.NewPCG(1, 2))
	refused, spared := 0, 0
	for range 100 {
		at, mask := random.IntN(len(file)), byte(1+random.IntN(255))
		if damaged(t, file, acknowledged, at, mask) {
			refused++
		} else {
			spared++
		}
	}
	for at := range 100 { // the header, byte for byte
		damaged(t, file, acknowledged, at, 0xff)
	}
	if refused < 20 || spared < 20 { // deleted records and the ends of pages are many
		t.Errorf("of 100 flips: want many noticed, and many that hit unused bytes, got %d and %d", refused, spared)
	}
}

// damaged opens a copy of the file with one byte flipped, and reports whether that was refused.
func damaged(t *testing.T, file []byte, acknowledged map[string]string, at int, mask byte) bool {
	t.Helper()
	path := temp(t)
	hurt := bytes.Clone(file)
	hurt[at] ^= mask
	write(t, path, hurt)
	d, err := sqlitestore.Open(t.Context(), path)
	if err != nil {
		if reason := fault.ReasonOf(err); reason != store.ReasonCorrupt && reason != store.ReasonForeign {
			t.Errorf("byte %d ^ %#x: want %s or %s, got %v", at, mask, store.ReasonCorrupt, store.ReasonForeign, err)
		}
		if !bytes.Equal(read(t, path), hurt) {
			t.Errorf("byte %d ^ %#x: want a refused file left as it was, got it changed", at, mask)
		}
		return true
	}
	defer closeStore(t, d)
	wantValues(t, fmt.Sprintf("byte %d ^ %#x was not noticed", at, mask), store.New(d).Table("things"), acknowledged)
	return false
}

// TestDamageHurtsWhatItHitsOnly reads a damaged file that is too large to be verified when it is opened.
func TestDamageHurtsWhatItHitsOnly(t *testing.T) {
	file, acknowledged := sound(t)
	path := temp(t)
	victim := key("%03d", 50)
	where := bytes.Index(file, []byte("value 50.value 50."))
	if where < 0 {
		t.Fatal("the value of record 050 is not in the file as it is")
	}
	file[where] ^= 0x20
	write(t, path, file)
	_, tb := open(t, path, sqlitestore.NoVerify())
	_, err := tb.Get(t.Context(), victim)
	wantFault(t, "Get of a damaged record", err, store.ReasonCorrupt, path, "Restore a backup")
	_, err = tb.Range(t.Context(), "p", store.Range{Limit: 1000})
	wantFault(t, "Range over a damaged record", err, store.ReasonCorrupt, path, "Restore a backup")
	_, err = tb.CompareAndSet(t.Context(), victim, nil, 1)
	wantFault(t, "CompareAndSet on a damaged record", err, store.ReasonCorrupt, path, "Restore a backup")

	delete(acknowledged, victim.Clustering)
	for clustering, want := range acknowledged {
		if got, err := tb.Get(t.Context(), key("%s", clustering)); err != nil || string(got.Value) != want {
			t.Errorf("Get(%s) beside a damaged record: want its value, got %q, %v", clustering, got.Value, err)
		}
	}
	put(t, tb, victim, []byte("mended"))
	put(t, tb, key("new"), nil)
	if got, err := tb.Get(t.Context(), victim); err != nil || string(got.Value) != "mended" {
		t.Errorf("Get of a damaged record after it was written anew: want mended, got %q, %v", got.Value, err)
	}
}

func TestATruncatedFileIsRefused(t *testing.T) {
	file, _ := sound(t)
	for _, size := range []int{50, 100, 4096, 5000, len(file) / 2, len(file) - 4096} {
		path := temp(t)
		write(t, path, file[:size])
		_, err := sqlitestore.Open(t.Context(), path)
		wantFault(t, fmt.Sprintf("Open of the first %d bytes of %d", size, len(file)), err, store.ReasonCorrupt, path, "Restore a backup")
		if !bytes.Equal(read(t, path), file[:size]) {
			t.Errorf("the first %d bytes: want a refused file left as it was, got it changed", size)
		}
	}
}
