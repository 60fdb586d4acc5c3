package natsbus

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hansom-platform/hansom/bus/driver"
)

// vectors is proto/vectors/messages.json, which implementations in other
// languages read too.
type vectors struct {
	Messages []struct {
		Name   string
		Header [][2]string
		Body   []byte
		NATS   []byte
	}
	Broken []struct {
		Name string
		NATS []byte
	}
	Subjects []struct{ Instance, Topic, Group, Subject string }
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "proto", "vectors", "messages.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Messages) == 0 || len(v.Broken) == 0 || len(v.Subjects) == 0 {
		t.Fatalf("%d messages, %d broken ones, %d subjects; want some of each", len(v.Messages), len(v.Broken), len(v.Subjects))
	}
	return v
}

func TestMessageVectors(t *testing.T) {
	for _, v := range readVectors(t).Messages {
		t.Run(v.Name, func(t *testing.T) {
			want := driver.Message{Body: v.Body}
			for _, f := range v.Header {
				want.Header = append(want.Header, driver.Field{Key: f[0], Value: f[1]})
			}
			if got := driver.AppendMessage(nil, want.Header, want.Body); !bytes.Equal(got, v.NATS) {
				t.Errorf("payload is %q; want %q", got, v.NATS)
			}
			var got driver.Message
			if err := driver.ParseMessage(v.NATS, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBrokenVectors(t *testing.T) {
	for _, v := range readVectors(t).Broken {
		var m driver.Message
		if err := driver.ParseMessage(v.NATS, &m); err == nil {
			t.Errorf("%s: payload %q was read as %v; want an error", v.Name, v.NATS, m)
		}
	}
}

func TestSubjectVectors(t *testing.T) {
	for _, v := range readVectors(t).Subjects {
		var got string
		switch {
		case v.Instance != "":
			got = queueSubject(v.Instance)
		case v.Topic != "":
			got = topicSubject(v.Topic)
		default:
			got = deadSubject(v.Group)
		}
		if got != v.Subject {
			t.Errorf("%+v: subject is %q", v, got)
		}
	}
}

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want driver.Message
		for _, k := range rapid.SliceOfDistinct(rapid.String(), rapid.ID).Draw(t, "keys") {
			want.Header = append(want.Header, driver.Field{Key: k, Value: rapid.String().Draw(t, "value")})
		}
		want.Body = rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		var got driver.Message
		if err := driver.ParseMessage(driver.AppendMessage([]byte{}, want.Header, want.Body), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("message (-want +got):\n%s", diff)
		}
	})
}

// TestEscapeKeepsNamesApart: no two names share a subject, and none holds what
// NATS reads as a wildcard or a separator.
func TestEscapeKeepsNamesApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dotted := rapid.Bool().Draw(t, "dotted")
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-c.=*> ]{0,6}`))
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		x, y := escape(a, dotted), escape(b, dotted)
		if (a == b) != (x == y) {
			t.Fatalf("%q and %q become %q and %q", a, b, x, y)
		}
		for _, token := range bytes.Split([]byte(x), []byte(".")) {
			if len(token) == 0 || bytes.ContainsAny(token, "*> \t\r\n") {
				t.Fatalf("%q becomes %q, which is no subject", a, x)
			}
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	f.Add(driver.AppendMessage(nil, callHeader(), []byte("body")))
	f.Add([]byte{0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m driver.Message
		if driver.ParseMessage(payload, &m) != nil {
			return
		}
		var again driver.Message
		if err := driver.ParseMessage(driver.AppendMessage(nil, m.Header, m.Body), &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("message (-first +again):\n%s", diff)
		}
	})
}

func BenchmarkWire(b *testing.B) {
	header, body := callHeader(), make([]byte, benchBody)
	payload := driver.AppendMessage(nil, header, body)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = driver.AppendMessage(buf[:0], header, body)
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m driver.Message
			if err := driver.ParseMessage(payload, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
