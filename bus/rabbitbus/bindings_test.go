package rabbitbus

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// testOwedAnnouncement: what could not be announced is announced with the next change.
func testOwedAnnouncement(t *testing.T, e *engine) {
	c, other := e.connect(zoneA), e.connect(zoneA)
	for _, keeper := range []*conn{c, other} {
		if err := keeper.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var keys []recordKey
	for _, service := range []string{"owed-1", "owed-2"} {
		r := record{recordKey{Service: service, Zone: zoneA}, []driver.Binding{bindingOfInstance(zoneA, service, service)}, nil}
		keys = append(keys, r.recordKey)
		c.keeper.mirror.set([]record{r})
		ctx, cancel := context.WithCancel(t.Context())
		if service == "owed-1" {
			cancel()
		}
		if err := c.tell(ctx, &c.keeper.applies, []record{r}); (err == nil) == (service == "owed-1") {
			t.Errorf("announcing %s: %v", service, err)
		}
		cancel()
	}
	eventually(t, "the other keeper knows both", func() bool {
		known := other.keeper.mirror.snapshot(func(k recordKey) bool { return k == keys[0] || k == keys[1] })
		return len(known) == len(keys)
	})
}

// testReadOnTwo has the connection break while the bindings are read: the next may be with another zone's broker.
func testReadOnTwo(t *testing.T, e *engine) {
	line := new(cord)
	config := e.config(zoneA)
	config.Dialer = line.dial
	api := must(url.Parse(config.Management))(t)
	user := api.User
	api.User = nil
	forward := httputil.NewSingleHostReverseProxy(api)
	var c *conn
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/bindings/source") {
			s := c.connection.live.Load()
			line.cut()
			eventually(t, "there is another connection", func() bool { return c.connection.live.Load() != s })
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	through := must(url.Parse(front.URL))(t)
	through.User = user
	config.Management = through.String()
	c = e.connectBy(config)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	wantFault(t, c.load(ctx), fault.Unavailable, driver.ReasonLost)
	if c.keeper.mirror.table.Load() != nil {
		t.Error("the mirror holds what an earlier connection's broker has bound")
	}
}
