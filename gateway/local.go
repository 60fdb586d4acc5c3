package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// crossOrigin refuses what a browser sends for a page of another site.
var crossOrigin = http.NewCrossOriginProtection()

// notLocal returns why a request cannot be taken for one of a person on this
// machine, or "" where it can. A proxy on this machine is no proof of that, nor is
// a page in a browser here, also one whose name was made to resolve to this
// machine (DNS rebinding).
func notLocal(r *http.Request) string {
	if !isLoopback(hostOf(r.RemoteAddr)) {
		return "it did not come over the loopback interface"
	}
	if host := hostOf(r.Host); !strings.EqualFold(host, "localhost") && !isLoopback(host) {
		return "its Host header names another machine than localhost"
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return "its header " + name + " says that a proxy passed it on"
		}
	}
	if crossOrigin.Check(r) != nil {
		return "a browser sent it for a page of another site"
	}
	return ""
}

// hostOf returns an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
