package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/hansom-platform/hansom/gateway"
	"github.com/hansom-platform/hansom/kernel/config"
)

// A port is an address that the app is going to listen on.
type port struct {
	what    string
	flag    string // of the command line, that changes it
	address string
	likely  string // who has it when it is taken
}

func (c Config) ports() []port {
	var all []port
	if slices.Contains(c.Services, gateway.Name) {
		all = append(all, port{"the thin API", "--listen", c.Listen, "another `hansom up`, or another web server"})
	}
	if slices.Contains(c.Services, config.Name) && c.ConfigListen != Nothing {
		all = append(all, port{"the config service's HTTP", "--config-listen", c.ConfigListen, "another `hansom up`"})
	}
	if c.embedded() {
		all = append(all, port{"the embedded NATS server", "--bus-listen", c.BusListen, "another `hansom up`, or a NATS server"})
	}
	if c.MetricsListen != Nothing {
		all = append(all, port{"metrics and health", "--metrics-listen", c.MetricsListen, "another `hansom up`"})
	}
	return all
}

// checkPorts finds ports that are taken, also by one another, before anything starts.
func checkPorts(ctx context.Context, ports []port) error {
	for i, p := range ports {
		var listen net.ListenConfig
		l, err := listen.Listen(ctx, "tcp", p.address)
		if err != nil {
			return p.besides(ports[:i]).explain(err)
		}
		defer func() { _ = l.Close() }()
	}
	return nil
}

// besides names the one of ours that has the port, where one does.
func (p port) besides(ours []port) port {
	for _, o := range ours {
		if number(o.address) == number(p.address) {
			p.likely = o.what + ", with " + o.flag
		}
	}
	return p
}

func number(address string) string {
	_, n, _ := net.SplitHostPort(address)
	return n
}

func (p port) explain(err error) error {
	number := number(p.address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s, for %s, is in use (by %s?): stop that, or choose another port with %s %s",
			number, p.what, p.likely, p.flag, p.next())
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %s, for %s, may not be used by this user: choose one above 1023 with %s", number, p.what, p.flag)
	}
	return fmt.Errorf("cannot listen on %s for %s (%s): %w", p.address, p.what, p.flag, err)
}

// next suggests a port that may be free.
func (p port) next() string {
	host, number, _ := net.SplitHostPort(p.address)
	n, err := strconv.Atoi(number)
	if err != nil || n >= 65000 {
		n = 8000
	}
	return net.JoinHostPort(host, strconv.Itoa(n+100))
}

// baseURL is how a program on this machine reaches what listens on address.
func baseURL(address string) string {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, number)
}
