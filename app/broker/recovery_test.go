package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/app/broker"
)

// A killed server has not written which messages were gone, and finds them again
// when it starts. Those that expired must go again: sessions of coordination are
// messages that expire. The file of what is yet to expire does not know them any more.
func TestWhatExpiredBeforeAKillGoesAgain(t *testing.T) {
	dir, killed := t.TempDir(), t.TempDir()
	b := start(t, dir)
	expiring(t, b)
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	awaitExpiry(t, b)
	stop(t, b)
	late, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "S", "msgs", "thw.db"))
	if err != nil || len(late) != 1 {
		t.Fatalf("want one file of expiries after a clean stop, got %q, %v", late, err)
	}
	data, err := os.ReadFile(late[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed, strings.TrimPrefix(late[0], dir)), data, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitExpiry(t, start(t, killed))
}

const expirySubject = "s.session"

// expiring makes a stream with a message that expires, among others that do not.
func expiring(t *testing.T, b *broker.Broker) {
	t.Helper()
	js, err := jetstream.New(connect(t, b.URL()))
	if err != nil {
		t.Fatal(err)
	}
	config := jetstream.StreamConfig{
		Name: "S", Subjects: []string{"s.>"}, MaxMsgsPerSubject: 1, AllowMsgTTL: true, SubjectDeleteMarkerTTL: time.Second,
	}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	publish := func(subject string, opts ...jetstream.PublishOpt) {
		if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Data: []byte("x")}, opts...); err != nil {
			t.Fatal(err)
		}
	}
	publish("s.first")
	publish(expirySubject, jetstream.WithMsgTTL(time.Second))
	publish("s.last")
}

// awaitExpiry returns when the expiring message is gone, and the marker of that too.
func awaitExpiry(t *testing.T, b *broker.Broker) {
	t.Helper()
	js, err := jetstream.New(connect(t, b.URL()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		m, err := s.GetLastMsgForSubject(t.Context(), expirySubject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("want the message that expires after 1 s to be gone, it is still there: sequence %d of %s", m.Sequence, m.Time)
		}
	}
}
