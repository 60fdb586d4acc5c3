package rabbitmq

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hansom-platform/hansom/internal/engine"
)

const stateFile = "broker.json"

// state is what a folder remembers of its broker, in stateFile (mode 0600: it has the password).
type state struct {
	Cluster  string  `json:"cluster"` // its name
	Epmd     int     `json:"epmd"`    // the port mapper's port
	Nodes    []Ports `json:"nodes"`
	User     string  `json:"user"`
	Password string  `json:"password"`
	Cookie   string  `json:"cookie"` // the secret that the nodes of a cluster share
}

// An OtherClusterError says that a folder holds the broker of another cluster than was to be started.
type OtherClusterError struct{ Holds, Wanted string }

func (e *OtherClusterError) Error() string {
	return fmt.Sprintf("the folder holds the broker of the cluster %s, not of %s: use another folder", e.Holds, e.Wanted)
}

// remember returns the folder's state with what c wants: ports may change, the rest is as the data has it.
func remember(ctx context.Context, c Config) (state, error) {
	path := filepath.Join(c.Dir, stateFile)
	s, err := readState(path)
	if err != nil {
		return s, err
	}
	if s.Nodes == nil {
		s = state{Nodes: make([]Ports, c.Nodes), User: c.User, Password: c.Password, Cookie: rand.Text()}
		s.complete()
	}
	s.Cluster = cmp.Or(s.Cluster, c.Cluster)
	if err := s.agrees(c); err != nil {
		return s, err
	}
	if err := s.choosePorts(ctx, c); err != nil {
		return s, err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return s, err
	}
	return s, replaceFile(path, append(text, '\n'), 0o600)
}

func readState(path string) (s state, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

func (s *state) complete() {
	if s.User == "" {
		s.User = "hansom"
	}
	if s.Password == "" {
		s.Password = rand.Text()
	}
}

func (s *state) agrees(c Config) error {
	if s.Cluster != c.Cluster {
		return &OtherClusterError{Holds: s.Cluster, Wanted: c.Cluster}
	}
	if len(s.Nodes) != c.Nodes {
		return fmt.Errorf("the folder holds a broker of %d nodes, not %d: use another folder", len(s.Nodes), c.Nodes)
	}
	if c.User != "" && c.User != s.User || c.Password != "" && c.Password != s.Password {
		return fmt.Errorf("the folder holds a broker whose user is %q with a password made before; "+
			"leave user and password out, or use another folder", s.User)
	}
	return nil
}

// choosePorts takes the ports that c asks for, keeps the others, and draws those anew that another program has taken.
func (s *state) choosePorts(ctx context.Context, c Config) error {
	taken := map[int]bool{}
	choose := func(port *int, wanted int) error {
		if wanted != 0 {
			*port = wanted
		} else if *port != 0 {
			if err := engine.AwaitFree(ctx, *port); err != nil {
				if ctx.Err() != nil {
					return err
				}
				c.Logger.Warn("another program has taken a port of RabbitMQ, which gets another one", "folder", c.Dir, "port", *port)
				*port = 0
			}
		}
		for *port == 0 {
			free, err := engine.FreePort()
			if err != nil {
				return err
			}
			if !taken[free] {
				*port = free
			}
		}
		taken[*port] = true
		return nil
	}
	errs := []error{choose(&s.Epmd, 0)}
	for i := range s.Nodes {
		var want Ports
		if i < len(c.Ports) {
			want = c.Ports[i]
		}
		node := &s.Nodes[i]
		errs = append(errs, choose(&node.AMQP, want.AMQP), choose(&node.Management, want.Management),
			choose(&node.Distribution, want.Distribution))
	}
	return errors.Join(errs...)
}

// lock takes the folder. The nodes inherit the open file, so that the lock is held until the last of them is gone.
func lock(ctx context.Context, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(ctx, engine.Patience)
	defer cancel()
	err = engine.Await(patient, nil, func(context.Context) error {
		return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("the folder is in use by a broker that runs (%w): end it, or use another folder", err)
	}
	return file, nil
}

// replaceFile leaves the old file or the new one, never half of it.
func replaceFile(path string, content []byte, mode fs.FileMode) error {
	next := path + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(next, content, mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}
