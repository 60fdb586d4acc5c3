package gateway

import (
	"net/http"
	"testing"
)

func TestTheClientBehindTrustedProxies(t *testing.T) {
	proxies, err := networks([]string{"10.0.0.0/8", "2001:db8::7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"203.0.113.9:1234", nil, "203.0.113.9:1234"},
		{"203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9:1234"},
		{"10.0.0.7:1234", nil, "10.0.0.7:1234"},
		{"10.0.0.7:1234", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"[::ffff:10.0.0.7]:1234", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"[2001:db8::7]:1234", []string{"2001:db8::99"}, "[2001:db8::99]:0"},
		{"10.0.0.7:1234", []string{"1.2.3.4, 198.51.100.1, 10.0.0.8"}, "198.51.100.1:0"},
		{"10.0.0.7:1234", []string{"1.2.3.4", "198.51.100.1"}, "198.51.100.1:0"},
		{"10.0.0.7:1234", []string{"198.51.100.1, evil"}, "10.0.0.7:1234"},
		{"@", []string{"198.51.100.1"}, "@"},
	} {
		r := request(http.MethodGet, "/", "")
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
		if got := clientOf(r, proxies); got != c.want {
			t.Errorf("peer %s, X-Forwarded-For %q: client %s, want %s", c.peer, c.forwarded, got, c.want)
		}
		if got := clientOf(r, nil); got != c.peer {
			t.Errorf("peer %s without trusted proxies: client %s, want the peer", c.peer, got)
		}
	}
}
