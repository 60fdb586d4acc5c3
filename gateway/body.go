package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"unicode/utf8"
)

const (
	maxTarget = 8 << 10  // of path and query
	maxHeader = 32 << 10 // of all header names and values
	firstBody = 32 << 10 // room made on a client's mere word
)

// checkHead refuses a request line or header that is beyond the limits or cannot be
// carried.
func checkHead(r *http.Request) error {
	if n := len(r.RequestURI); n > maxTarget {
		return refuse(http.StatusRequestURITooLong, "gateway.uri_too_long", "the path and query have %d bytes, the limit is %d", n, maxTarget)
	}
	n := 0
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	if n > maxHeader {
		return refuse(http.StatusRequestHeaderFieldsTooLarge, "gateway.header_too_large", "the header has %d bytes, the limit is %d", n, maxHeader)
	}
	if !utf8.ValidString(r.URL.RawQuery) {
		return refuse(http.StatusBadRequest, "gateway.bad_query", "the query holds bytes that are no UTF-8: escape them with %%")
	}
	return nil
}

// body reads a request's body. One that says that it is too large is not read.
// Requests whose bodies arrive slowly keep out others with a body, and nobody else.
func (g *Gateway) body(v *visit) ([]byte, error) {
	limit := int64(g.limits.Load().BodyLimit)
	size := v.r.ContentLength
	switch {
	case size == 0:
		return nil, nil
	case size > limit:
		v.w.Header().Set("Connection", "close")
		return nil, refuse(http.StatusRequestEntityTooLarge, "gateway.body_too_large", "the body has %d bytes, the limit is %d", size, limit)
	}
	defer g.receiving.Add(-1)
	if g.receiving.Add(1) > int64(g.limits.Load().Concurrency) {
		return nil, g.shed("receiving")
	}
	var b bytes.Buffer
	b.Grow(int(min(max(size, 0), firstBody)) + bytes.MinRead)
	_, err := b.ReadFrom(http.MaxBytesReader(v.w, v.r.Body, limit))
	if err != nil {
		return nil, bodyError(err, limit)
	}
	return b.Bytes(), nil
}

func bodyError(err error, limit int64) error {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return refuse(http.StatusRequestEntityTooLarge, "gateway.body_too_large", "the body has more than %d bytes, which is the limit", limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "gateway.body_too_slow", "the body did not arrive in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(http.StatusBadRequest, "gateway.body_cut", "the body ended before it was complete")
	}
	return refuse(http.StatusBadRequest, "gateway.body_unreadable", "the body cannot be read")
}
