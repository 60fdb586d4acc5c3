package fault

import (
	"encoding/json"
	"net/http"
)

// ProblemType is the media type of a Problem (RFC 9457 §3).
const ProblemType = "application/problem+json"

// Problem is the body that carries a fault over HTTP (RFC 9457). Code, Reason
// and RequestID are extension members (§3.2). The operator's detail is left out.
type Problem struct {
	Type      string `json:"type"`  // always "about:blank": the reason tells more
	Title     string `json:"title"` // the status phrase, as that type asks for (§4.2.1)
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"` // the fault's safe message
	Code      string `json:"code"`
	Reason    string `json:"reason"`
	RequestID string `json:"request_id,omitempty"`
}

// ProblemOf returns what the outside may know of err.
func ProblemOf(err error, requestID string) Problem {
	e := From(err)
	return Problem{
		Type:      "about:blank",
		Detail:    e.Message,
		Code:      e.Code.String(),
		Reason:    e.Reason,
		RequestID: requestID,
	}.WithStatus(e.Code.HTTPStatus())
}

// WithStatus returns the problem under a more telling status than its code has,
// such as 413 or 415 for a bad request.
func (p Problem) WithStatus(status int) Problem {
	p.Status, p.Title = status, http.StatusText(status)
	return p
}

// Write answers an HTTP request with the problem. Headers that the caller set
// before are kept.
func (p Problem) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", ProblemType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the connection is gone: nobody is left to tell
}

// WriteProblem answers an HTTP request with what the outside may know of err.
func WriteProblem(w http.ResponseWriter, err error, requestID string) {
	ProblemOf(err, requestID).Write(w)
}
