package store

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/store/driver"
)

func FuzzContinuation(f *testing.F) {
	at := driver.Partition{Table: "t", Key: "p"}
	f.Add("", "", "", false, "last", "")
	f.Add("a", "z", "b/", true, "", Range{Prefix: "b"}.token(at, "b/1"))
	f.Add("\xff", "\x00", "é", false, "😀", "AQ")
	f.Fuzz(func(t *testing.T, from, to, prefix string, reverse bool, last, token string) {
		r := Range{From: from, To: to, Prefix: prefix, Reverse: reverse, Limit: 1}
		if got, err := r.parseToken(at, r.token(at, last)); checkText("range", "key", last) == nil && (err != nil || got != last) {
			t.Errorf("a continuation after %q of %+v: want it back, got %q, %v", last, r, got, err)
		}
		r.Continue = token
		first, errFirst := Range{From: from, To: to, Prefix: prefix, Reverse: reverse, Limit: 1}.span(at)
		next, err := r.span(at)
		if err != nil || errFirst != nil || token == "" {
			return // refused, or no continuation
		}
		empty := next.To != "" && next.From >= next.To
		if !empty && (next.From < first.From || first.To != "" && (next.To == "" || next.To > first.To)) {
			t.Errorf("continuation %q leads out of its range: from %+v to %+v", token, first, next)
		}
	})
}

func FuzzPrefixEnd(f *testing.F) {
	f.Add("", "a")
	f.Add("a/", "a0")
	f.Add("\xff", "\xff\xff")
	f.Add("a\xff", "b")
	f.Add("é", "ê")
	f.Fuzz(func(t *testing.T, prefix, key string) {
		span, err := Range{Prefix: prefix}.span(driver.Partition{})
		if err != nil {
			t.Fatalf("span of prefix %q: %v", prefix, err)
		}
		in := key >= span.From && (span.To == "" || key < span.To)
		if in != strings.HasPrefix(key, prefix) {
			t.Errorf("prefix %q is %+v: want %q in it: %v, got %v", prefix, span, key, !in, in)
		}
	})
}

func TestAContinuationOfAnotherFormatIsRefused(t *testing.T) {
	at := driver.Partition{Table: "t", Key: "p"}
	raw, err := base64.RawURLEncoding.DecodeString(Range{}.token(at, "k"))
	if err != nil {
		t.Fatal(err)
	}
	raw[0]++
	if _, err := (Range{}).parseToken(at, base64.RawURLEncoding.EncodeToString(raw)); err == nil {
		t.Error("want a continuation of a later format refused, got it accepted")
	}
}
