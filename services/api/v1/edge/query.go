package edge

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// Query reads the parameters of a request, the first mistake in Err. Parameters
// that nobody asks for are ignored.
type Query struct {
	values url.Values
	err    error
}

// QueryOf parses r's query.
func QueryOf(r *http.Request) *Query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		err = refuse(http.StatusBadRequest, "bad_query", "the query cannot be read: %.100s", err.Error())
	}
	return &Query{values, err}
}

// Err returns the first mistake.
func (q *Query) Err() error { return q.err }

func (q *Query) fail(reason, message string, args ...any) {
	if q.err == nil {
		q.err = refuse(http.StatusBadRequest, reason, message, args...)
	}
}

// Has reports whether the parameter is given.
func (q *Query) Has(name string) bool { return q.values.Has(name) }

// Text returns a parameter that must be given, once, and not be empty.
func (q *Query) Text(name string) string {
	switch given := q.values[name]; {
	case len(given) == 0 || len(given) == 1 && given[0] == "":
		q.fail("missing_parameter", "%s: is missing", name)
	case len(given) > 1:
		q.fail("bad_parameter", "%s: is given %d times", name, len(given))
	case !utf8.ValidString(given[0]):
		q.fail("bad_parameter", "%s: is no UTF-8", name)
	default:
		return given[0]
	}
	return ""
}

// decimal leaves out what ParseFloat takes beside: 0x1p5, 5_1, inf, NaN.
var decimal = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

// Number returns a parameter that must be a number from least to most.
func (q *Query) Number(name string, least, most float64) float64 {
	text := q.Text(name)
	n, err := strconv.ParseFloat(text, 64)
	if text != "" && (err != nil || !decimal.MatchString(text) || n < least || n > most) {
		q.fail("bad_parameter", "%s: %.40q is no number from %g to %g", name, text, least, most)
		return 0
	}
	return n
}

// Count returns a parameter that may be missing, which is 0, and must else be a
// whole number from 1 to most.
func (q *Query) Count(name string, most uint32) uint32 {
	if !q.Has(name) {
		return 0
	}
	text := q.Text(name)
	n, err := strconv.ParseUint(text, 10, 32)
	if text != "" && (err != nil || n < 1 || n > uint64(most)) {
		q.fail("bad_parameter", "%s: %.40q is no whole number from 1 to %d", name, text, most)
		return 0
	}
	return uint32(n)
}
