package rabbitmq

import (
	"errors"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"

	"github.com/hansom-platform/hansom/internal/engine"
)

func remembered(t *testing.T, c Config) state {
	t.Helper()
	s, err := remember(t.Context(), c)
	must(t, err)
	return s
}

func TestFolderKeepsItsCluster(t *testing.T) {
	c := Config{Dir: t.TempDir(), Nodes: 1, Cluster: "zone-b", Logger: slog.New(slog.DiscardHandler)}
	before := remembered(t, c)
	after := remembered(t, c)
	if after.Cluster != "zone-b" || after.Password != before.Password || after.Nodes[0] != before.Nodes[0] {
		t.Errorf("the folder remembers %+v, want %+v", after, before)
	}
	c.Cluster = "zone-a"
	_, err := remember(t.Context(), c)
	var other *OtherClusterError
	if !errors.As(err, &other) || *other != (OtherClusterError{Holds: "zone-b", Wanted: "zone-a"}) {
		t.Errorf("as another cluster: %v, want that it holds zone-b, not zone-a", err)
	}
}

// Time is virtual: a port is waited for that may be on its way out.
func TestTakenPortIsDrawnAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Dir: t.TempDir(), Nodes: 1, Cluster: "hansom", Logger: slog.New(slog.DiscardHandler)}
		before := remembered(t, c)
		taken, err := net.Listen("tcp4", engine.Local(before.Nodes[0].AMQP))
		must(t, err)
		defer taken.Close()
		after := remembered(t, c)
		if after.Nodes[0].AMQP == before.Nodes[0].AMQP || after.Nodes[0].Management != before.Nodes[0].Management || after.Epmd != before.Epmd {
			t.Errorf("with the AMQP port taken, the ports %+v and epmd's %d became %+v and %d, want only AMQP's to change",
				before.Nodes[0], before.Epmd, after.Nodes[0], after.Epmd)
		}
		if again := remembered(t, c); again.Nodes[0] != after.Nodes[0] {
			t.Errorf("the next time the ports are %+v, want them kept as %+v", again.Nodes[0], after.Nodes[0])
		}
		c.Ports = []Ports{{AMQP: before.Nodes[0].AMQP}}
		if asked := remembered(t, c); asked.Nodes[0].AMQP != before.Nodes[0].AMQP {
			t.Errorf("the port that is asked for is %d, got %d", before.Nodes[0].AMQP, asked.Nodes[0].AMQP)
		}
	})
}
