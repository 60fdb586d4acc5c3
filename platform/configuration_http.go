package platform

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

const (
	configAudience       = "kernel.config" // of the assertion that says who asks by HTTP
	configRevisionHeader = "Hansom-Revision"
	maxConfigHTTP        = 8 << 20
)

// httpConfig asks kernel.config by HTTP, for when there is no bus yet.
type httpConfig struct {
	*Service
	url    string
	client http.Client
}

// newHTTPConfig returns nil without HANSOM_CONFIG.
func newHTTPConfig(s *Service) ConfigSource {
	base := os.Getenv("HANSOM_CONFIG")
	if base == "" {
		return nil
	}
	return &httpConfig{
		Service: s,
		url:     strings.TrimSuffix(base, "/") + "/compile",
		client:  http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // it is asked once, as a rule
	}
}

// Compile implements ConfigSource.
func (h *httpConfig) Compile(ctx context.Context, r *configpb.CompileRequest) (*configpb.CompileResponse, error) {
	request, err := h.request(ctx, r)
	if err != nil {
		return nil, err
	}
	response, err := h.client.Do(request)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "platform.config.http", "HANSOM_CONFIG (%s) cannot be reached", h.url)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxConfigHTTP+1))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "platform.config.http", "the answer of HANSOM_CONFIG (%s) broke off", h.url)
	}
	return h.answer(response, body)
}

func (h *httpConfig) request(ctx context.Context, r *configpb.CompileRequest) (*http.Request, error) {
	query := url.Values{
		"service":     {r.GetLayers().GetService()},
		"region":      {r.GetLayers().GetRegion()},
		"environment": {r.GetLayers().GetEnvironment()},
	}
	if n := r.GetAtLeast(); n > 0 {
		query.Set("at_least", strconv.FormatUint(n, 10))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "platform.config.url", "HANSOM_CONFIG (%s) is no URL; it names kernel.config's HTTP side, such as http://127.0.0.1:8097", h.url)
	}
	if r.GetHash() != "" {
		request.Header.Set("If-None-Match", `"`+r.GetHash()+`"`)
	}
	assertion, err := h.assertion(configAudience)
	if err != nil {
		return nil, err
	}
	if assertion != "" {
		request.Header.Set("Authorization", "Bearer "+assertion)
	}
	return request, nil
}

func (h *httpConfig) answer(response *http.Response, body []byte) (*configpb.CompileResponse, error) {
	revision, err := strconv.ParseUint(response.Header.Get(configRevisionHeader), 10, 64)
	ok := response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNotModified
	switch {
	case !ok:
		code := fault.Unavailable
		if response.StatusCode == http.StatusBadRequest {
			code = fault.BadRequest
		}
		return nil, fault.New(code, "platform.config.http", "HANSOM_CONFIG (%s) answers %s: %.200s", h.url, response.Status, body)
	case err != nil || len(body) > maxConfigHTTP:
		return nil, fault.New(fault.BadResponse, "platform.config.http", "HANSOM_CONFIG (%s) answers, and not as kernel.config does", h.url)
	}
	return &configpb.CompileResponse{
		Document:  body,
		Revision:  revision,
		Hash:      strings.Trim(response.Header.Get("ETag"), `"`),
		Unchanged: response.StatusCode == http.StatusNotModified,
	}, nil
}
