package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxForwarders bounds how many proxies a request may have come through.
const maxForwarders = 16

// clientOf returns the address that a request came from, with a port. Behind trusted
// proxies that is the last one in X-Forwarded-For that is none of them: what stands before it
// is the client's own word.
func clientOf(r *http.Request, proxies []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !isProxy(peer.Addr(), proxies) {
		return r.RemoteAddr
	}
	client := peer
	forwarded := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	if len(forwarded) > maxForwarders {
		forwarded = forwarded[len(forwarded)-maxForwarders:]
	}
	for _, text := range slices.Backward(forwarded) {
		addr, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			break
		}
		if client = netip.AddrPortFrom(addr.Unmap(), 0); !isProxy(addr, proxies) {
			break
		}
	}
	return client.String()
}

func isProxy(addr netip.Addr, proxies []netip.Prefix) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// networks reads addresses ("10.0.0.7") and networks ("10.0.0.0/8").
func networks(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); single == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s.trusted_proxies: %.60q is no address and no network such as 10.0.0.0/8", configKey, text)
		}
		if p.Bits() == 0 {
			return nil, fmt.Errorf("%s.trusted_proxies: %s is everybody", configKey, text)
		}
		all = append(all, p)
	}
	return all, nil
}
