package gateway

import (
	"net/http"
	"strings"

	"github.com/hansom-platform/hansom/proto/rpc"
)

// destination is where the path of a request leads.
type destination struct {
	service  string // "api.v1.customer"
	endpoint string // "neardrivers"
	template string // "/v1/customer/neardrivers", whatever follows
}

// maxName bounds every element of a path that names something.
const maxName = 64

// parsePath reads /v<N>/<who>/<endpoint>[/...] from a path as it was sent, escapes
// and all. Names are never escaped. What every instance tells the platform is not
// for the world. Paths with "." or ".." lead nowhere: whoever
// looks at them next might resolve them to another endpoint.
func parsePath(path string) (destination, bool) {
	version, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || !strings.HasPrefix(path, "/") || !isVersion(version) {
		return destination{}, false
	}
	who, rest, ok := strings.Cut(rest, "/")
	if !ok || !isName(who) {
		return destination{}, false
	}
	endpoint, rest, _ := strings.Cut(rest, "/")
	if !isName(endpoint) || rpc.IsBuiltin(endpoint) || hasDots(rest) {
		return destination{}, false
	}
	return destination{
		service:  "api." + version + "." + who,
		endpoint: endpoint,
		template: path[:len("///")+len(version)+len(who)+len(endpoint)],
	}, true
}

// isVersion wants v1 to v999, without leading zeros: one version has one path.
func isVersion(s string) bool {
	if len(s) < 2 || len(s) > 4 || s[0] != 'v' || s[1] == '0' {
		return false
	}
	for _, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func isName(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func hasDots(rest string) bool {
	if !strings.ContainsAny(rest, ".%") {
		return false
	}
	plain := strings.NewReplacer("%2e", ".", "%2f", "/", "%5c", "/", `\`, "/").Replace(strings.ToLower(rest))
	for segment := range strings.SplitSeq(plain, "/") {
		switch segment {
		case ".", "..":
			return true
		}
	}
	return false
}

// methods that services may be asked with, and whether a request may be repeated
// without harm (RFC 9110 §9.2.2).
var methods = map[string]bool{
	http.MethodGet:     true,
	http.MethodHead:    true,
	http.MethodOptions: true,
	http.MethodPut:     true,
	http.MethodDelete:  true,
	http.MethodPost:    false,
	http.MethodPatch:   false,
}

const allMethods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
