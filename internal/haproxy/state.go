package haproxy

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A State is what HAProxy thinks of a broker.
type State struct {
	Up          bool
	Checked     bool // false before the first check has come back
	Connections int  // of clients, now
}

// States returns the state of every broker, on AMQP, by the names in haproxy.cfg: own1, own2, other1, …
func (p *Proxy) States(ctx context.Context) (map[string]State, error) {
	answer, err := p.ask(ctx, "show stat\n")
	if err != nil {
		return nil, fmt.Errorf("ask HAProxy for its servers: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(answer, "# "))).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("ask HAProxy for its servers: it answered %q (%w)", answer, err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	states := map[string]State{}
	for _, row := range rows[1:] {
		proxy, server := row[column["pxname"]], row[column["svname"]]
		if proxy != "amqp" || server == "FRONTEND" || server == "BACKEND" {
			continue
		}
		connections, err := strconv.Atoi(row[column["scur"]])
		if err != nil {
			return nil, fmt.Errorf("ask HAProxy for its servers: connections of %s: %w", server, err)
		}
		states[server] = State{
			Up:          strings.HasPrefix(row[column["status"]], "UP"),
			Checked:     row[column["check_status"]] != "INI",
			Connections: connections,
		}
	}
	return states, nil
}

// checked tells whether every server's first check has come back.
func (p *Proxy) checked(ctx context.Context) error {
	states, err := p.States(ctx)
	if err != nil {
		return err
	}
	for name, s := range states {
		if !s.Checked {
			return fmt.Errorf("server %s is not checked yet", name)
		}
	}
	return nil
}

func (p *Proxy) socket() string { return filepath.Join(p.config.Dir, "socket") }

// ask sends a command to HAProxy's own socket.
func (p *Proxy) ask(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", p.socket())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, command); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}
