package why

import (
	"fmt"
	"io"
	"time"

	"github.com/hansom-platform/hansom/cli/output"
	hansompb "github.com/hansom-platform/hansom/proto/hansom"
)

// line is a call as JSON shows it.
type line struct {
	Service   string  `json:"service"`
	Endpoint  string  `json:"endpoint"`
	From      string  `json:"from"`
	Instance  string  `json:"instance"`
	Version   string  `json:"version"`
	Zone      string  `json:"zone"`
	Attempt   uint32  `json:"attempt"`
	StartMS   float64 `json:"start_ms"`   // after the first call
	TookMS    float64 `json:"took_ms"`    // as its caller saw it; -1: unknown
	HandledMS float64 `json:"handled_ms"` // as the instance saw it; -1: unknown
	Code      string  `json:"code"`       // empty: success
	Reason    string  `json:"reason"`
	Detail    string  `json:"detail,omitempty"` // why it was denied; the caller was not told
	Cohort    int32   `json:"cohort"`           // -1: none
	Overlay   string  `json:"overlay"`
	Calls     []line  `json:"calls"`
}

type request struct {
	Request string    `json:"request"`
	Start   time.Time `json:"start"`
	Calls   []line    `json:"calls"`
}

func report(id string, calls []*call) request {
	origin := calls[0].start()
	return request{Request: id, Start: origin, Calls: lines(calls, origin)}
}

func lines(calls []*call, origin time.Time) []line {
	all := make([]line, len(calls))
	for n, c := range calls {
		h, failed := c.best(), c.failure()
		all[n] = line{
			Service: h.GetService(), Endpoint: h.GetEndpoint(), From: h.GetFrom(),
			Instance: h.GetInstance(), Version: h.GetVersion(), Zone: h.GetZone(),
			Attempt: h.GetAttempt(), StartMS: milliseconds(c.start().Sub(origin)),
			TookMS: took(c.client), HandledMS: took(c.server),
			Code: failed.GetCode(), Reason: failed.GetReason(), Detail: c.server.GetDetail(),
			Cohort: h.GetCohort(), Overlay: h.GetOverlay(),
			Calls: lines(c.children, origin),
		}
	}
	return all
}

// failure is the side that saw the call fail, the caller's first: it may have given
// up on an instance that thinks all went well. It is nil for a success.
func (c *call) failure() *hansompb.Hop {
	for _, h := range []*hansompb.Hop{c.client, c.server} {
		if h.GetCode() != "" {
			return h
		}
	}
	return nil
}

func took(h *hansompb.Hop) float64 {
	if h == nil {
		return -1
	}
	return milliseconds(h.GetDuration().AsDuration())
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond).Microseconds()) / 1000
}

func show(w io.Writer, id string, calls []*call) error {
	r := report(id, calls)
	if _, err := fmt.Fprintf(w, "request %s of %s\n\n", id, r.Start.Local().Format("2006-01-02 15:04:05.000 MST")); err != nil {
		return err
	}
	t := output.NewTable(w, "CALL", "VERSION", "INSTANCE", "ZONE", "START", "TOOK", "HANDLED", "RESULT")
	for _, l := range r.Calls {
		row(t, l, "", "")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return explain(w, r.Calls)
}

// explain tells of denials what the callers were not told.
func explain(w io.Writer, calls []line) error {
	for _, l := range calls {
		if l.Detail != "" {
			if _, err := fmt.Fprintf(w, "\n%s %s was denied: %s\n", l.Service, l.Endpoint, l.Detail); err != nil {
				return err
			}
		}
		if err := explain(w, l.Calls); err != nil {
			return err
		}
	}
	return nil
}

// row writes a call and those below it. first leads its own line, rest those below.
func row(t *output.Table, l line, first, rest string) {
	t.Row(first+l.Service+" "+l.Endpoint, l.Version, l.Instance, l.Zone,
		fmt.Sprintf("+%.1f ms", l.StartMS), text(l.TookMS), text(l.HandledMS), l.result())
	for n, child := range l.Calls {
		if n == len(l.Calls)-1 {
			row(t, child, rest+"└─ ", rest+"   ")
		} else {
			row(t, child, rest+"├─ ", rest+"│  ")
		}
	}
}

func text(ms float64) string {
	if ms < 0 {
		return ""
	}
	return fmt.Sprintf("%.1f ms", ms)
}

func (l line) result() string {
	result := "ok"
	if l.Code != "" {
		result = l.Code + " " + l.Reason
	}
	if l.Attempt > 1 {
		result += fmt.Sprintf(" (attempt %d)", l.Attempt)
	}
	return result
}
