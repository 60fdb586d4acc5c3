package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/hansom-platform/hansom/fault"
)

// phone speaks the drivers' part of the public API, with a session where it has
// an account.
type phone struct {
	base    *url.URL
	http    *http.Client
	account *account
}

// city is what the simulation needs of GET /v1/driver/city.
type city struct {
	Code   string  `json:"code"`
	Lat    float64 `json:"lat"`
	Lng    float64 `json:"lng"`
	Radius float64 `json:"radius_m"`
	Speed  float64 `json:"speed_mps"`
}

// driver is the body of PUT /v1/driver/profile.
type driver struct {
	ID      string `json:"driver_id"`
	Name    string `json:"name"`
	Vehicle string `json:"vehicle"`
	Plate   string `json:"plate"`
}

// point is the body of POST /v1/driver/point.
type point struct {
	Driver    string  `json:"driver_id"`
	City      string  `json:"city"`
	Lat       float64 `json:"lat"`
	Lng       float64 `json:"lng"`
	Heading   float64 `json:"heading"`
	Available bool    `json:"available"`
	At        string  `json:"at"`
}

func (p phone) city(ctx context.Context, code string) (city, error) {
	var c city
	err := p.send(ctx, http.MethodGet, "/v1/driver/city?city="+url.QueryEscape(code), nil, &c)
	if err == nil && !(c.Code != "" && c.Radius > 0 && c.Speed > 0) {
		err = fmt.Errorf("the API's details of %s are incomplete: %+v", code, c)
	}
	return c, err
}

func (p phone) signOn(ctx context.Context, d driver) error {
	return p.send(ctx, http.MethodPut, "/v1/driver/profile", d, nil)
}

func (p phone) report(ctx context.Context, at point) error {
	return p.send(ctx, http.MethodPost, "/v1/driver/point", at, nil)
}

// refusal is an answer that is no success.
type refusal struct {
	request string
	path    string
	status  int
	problem fault.Problem // empty where the body was none
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: %d %s %s", r.request, r.status, r.problem.Reason, r.problem.Detail)
}

// away reports whether err may pass by itself: the API cannot be reached, is
// overloaded, or has no instance to ask; or a session has just ended.
func away(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return true
	}
	if r.path != pathLogin && r.status == http.StatusUnauthorized {
		return true
	}
	return r.status >= http.StatusInternalServerError || r.status == http.StatusTooManyRequests ||
		r.problem.Code == fault.NoRoute.String()
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// send makes one request with a JSON body, unless that is nil, and reads the JSON
// answer, unless that is nil. It logs in before where there is no session, and
// once more when the session has ended.
func (p phone) send(ctx context.Context, method, path string, body, answer any) error {
	if p.account == nil {
		return p.sendAs(ctx, "", method, path, body, answer)
	}
	for again := true; ; again = false {
		session, err := p.account.session(ctx, p)
		if err != nil {
			return err
		}
		err = p.sendAs(ctx, session, method, path, body, answer)
		if !unauthorized(err) {
			return err
		}
		p.account.ended(session)
		if !again {
			return err
		}
	}
}

func unauthorized(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusUnauthorized
}

func (p phone) sendAs(ctx context.Context, session, method, path string, body, answer any) error {
	request, err := p.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	if session != "" {
		request.Header.Set("Authorization", "Bearer "+session)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // to the end, so that the connection is kept
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: reading the answer: %w", method, request.URL, err)
	case response.StatusCode >= http.StatusMultipleChoices:
		r := &refusal{request: method + " " + request.URL.String(), path: path, status: response.StatusCode}
		_ = json.Unmarshal(text, &r.problem) // a proxy in between may answer otherwise
		return r
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s %s: the answer is not what was asked for: %w", method, request.URL, err)
	}
	return nil
}

func (p phone) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	target, err := p.base.Parse(path)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return http.NewRequestWithContext(ctx, method, target.String(), nil)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(text))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, err
}
