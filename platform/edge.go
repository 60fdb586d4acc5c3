package platform

import "github.com/hansom-platform/hansom/platform/telemetry"

// What the gateway needs beside a service's own calls.

// Hops returns what the client remembers of its latest calls, for whoever takes
// requests by another way than the bus and adds them.
func (c *Client) Hops() *telemetry.Hops { return c.hops }

// As returns a client that calls under another name over the service's connection,
// whichever that is at the time. Its calls are among the service's hops; its
// breakers and retries are its own.
func (s *Service) As(name string) *Client {
	mustBeWord("client name", name)
	c := newClient(name, &s.config)
	c.bus, c.hops = s.bus, s.hops
	c.from = name + " " + s.instance
	return c
}
