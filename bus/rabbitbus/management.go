package rabbitbus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// managementTimeout bounds one exchange with the management API: a list of some ten thousand bindings takes a second.
const managementTimeout = 10 * time.Second

// managementMost bounds the bytes of an answer: a list of 100,000 bindings has some 60 MB.
const managementMost = 256 << 20

// management is a client of RabbitMQ's HTTP API (https://www.rabbitmq.com/docs/management#http-api),
// for what AMQP does not tell: which bindings there are, federation, policies, users.
type management struct {
	base           string // without user and password
	user, password string
	vhost          string
	client         *http.Client
	dry            bool // reads, and takes every change as made
}

func newManagement(c Config) (*management, error) {
	broker, err := url.Parse(c.URL)
	if err != nil {
		return nil, badURL("it cannot be read")
	}
	at := c.Management
	if at == "" {
		at = defaultManagement(broker).String()
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return nil, badURL("management: want http://user:password@host:15672, or https")
	}
	who := u.User
	if who == nil {
		who = broker.User
	}
	m := &management{vhost: vhost(broker), client: &http.Client{Timeout: managementTimeout}}
	if c.TLS != nil {
		m.client.Transport = &http.Transport{TLSClientConfig: c.TLS, Proxy: http.ProxyFromEnvironment}
	}
	m.user = who.Username()
	m.password, _ = who.Password()
	u.User = nil
	m.base = strings.TrimSuffix(u.String(), "/")
	return m, nil
}

// close lets go of connections that wait for another request.
func (m *management) close() {
	if m.client.Transport != nil { // its own
		m.client.CloseIdleConnections()
	}
}

// apiPath joins the segments of a path below /api, each escaped.
func apiPath(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return "/api/" + strings.Join(escaped, "/")
}

// What the broker answered, for those who go on after it.
var (
	errNoSuch    = errors.New("the management API knows no such thing")
	errForbidden = errors.New("the management API does not let this user do that")
)

func isForbidden(err error) bool { return errors.Is(err, errForbidden) }

func (m *management) get(ctx context.Context, out any, segments ...string) error {
	return m.do(ctx, http.MethodGet, apiPath(segments...), nil, out)
}

func (m *management) put(ctx context.Context, body any, segments ...string) error {
	return m.do(ctx, http.MethodPut, apiPath(segments...), body, nil)
}

// remove deletes; what is not there any more is as good.
func (m *management) remove(ctx context.Context, segments ...string) error {
	err := m.do(ctx, http.MethodDelete, apiPath(segments...), nil, nil)
	if errors.Is(err, errNoSuch) {
		return nil
	}
	return err
}

// do makes one request. Its error is a fault; errNoSuch is in its chain where the answer was 404.
func (m *management) do(ctx context.Context, method, path string, body, out any) error {
	if m.dry && method != http.MethodGet {
		return nil
	}
	request, err := m.request(ctx, method, path, body)
	if err != nil {
		return fault.Wrap(err, fault.BadRequest, "bus.management", "%s %s of the management API cannot be asked", method, path)
	}
	response, err := m.client.Do(request)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine,
			"the management API at %s does not answer: is the plugin rabbitmq_management enabled, and the bus URL's parameter management right?", m.base)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return m.refusal(response, method+" "+path)
	}
	answer := io.LimitReader(response.Body, managementMost)
	if out != nil {
		err = json.NewDecoder(answer).Decode(out)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, answer) // so that the connection serves the next request
	}
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, driver.ReasonEngine, "the management API's answer to %s %s cannot be read", method, path)
	}
	return nil
}

func (m *management) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, m.base+path, content)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(m.user, m.password)
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

// secrets are what stands between "://" and "@" of a URL, also of one that was cut off.
var secrets = regexp.MustCompile(`://[^\s"/]*(@|$)`)

func (m *management) refusal(response *http.Response, what string) error {
	const most = 300
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64*most))
	text = secrets.ReplaceAll(text, []byte("://xxxxx$1")) // the broker repeats upstreams that it does not like
	said := fmt.Errorf("HTTP status %d: %s", response.StatusCode, strings.ToValidUTF8(string(text[:min(len(text), most)]), "?"))
	remedy := ""
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		said = fmt.Errorf("%w: %w", errForbidden, said)
		remedy = fmt.Sprintf(": check the password of %s, and that it is tagged monitoring to read, policymaker to join zones, administrator to make users (rabbitmqctl set_user_tags)", m.user)
	case http.StatusNotFound:
		said = fmt.Errorf("%w: %w", errNoSuch, said)
	case http.StatusBadRequest:
		if bytes.Contains(text, []byte("exchange type")) {
			remedy = ": " + enable(pluginExchange)
		}
		if bytes.Contains(text, []byte("component")) {
			remedy = ": " + enable(pluginFederation)
		}
	}
	return fault.Wrap(said, fault.Unavailable, driver.ReasonEngine, "the broker refused %s of its management API%s", what, remedy)
}

// A listedBinding is one binding as the management API shows it.
type listedBinding struct {
	Destination     string         `json:"destination"`
	DestinationType string         `json:"destination_type"`
	RoutingKey      string         `json:"routing_key"`
	Arguments       map[string]any `json:"arguments"`
}

// agreesWith refuses a management API of another cluster than that of s: a proxy may lead the two to different zones
// for a moment.
func (m *management) agreesWith(ctx context.Context, s *session) error {
	var cluster struct{ Name string }
	if err := m.get(ctx, &cluster, "cluster-name"); err != nil {
		return err
	}
	if name, ok := s.amqp.Properties["cluster_name"].(string); ok && name != cluster.Name {
		return fault.New(fault.Unavailable, driver.ReasonEngine,
			"the management API at %s is of the cluster %q, the bus of the cluster %q: if that lasts, name the management API of the bus URL's broker",
			m.base, cluster.Name, name)
	}
	return nil
}

// boundTo lists what is bound with source as the source.
func (m *management) boundTo(ctx context.Context, source string) (all []listedBinding, err error) {
	return all, m.get(ctx, &all, "exchanges", m.vhost, source, "bindings", "source")
}
