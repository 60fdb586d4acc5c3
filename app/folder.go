package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// adminFile is what the command line looks for in a data folder.
const adminFile = "admin.json"

// Admin is what an operator of a platform needs, as kept in admin.json of its data
// folder. It holds passwords: the file's mode is 0600. It outlives the run that wrote it.
type Admin struct {
	Bus     string `json:"bus"`     // URL with user and password
	Coord   string `json:"coord"`   // URL with user and password
	API     string `json:"api"`     // base URL of the thin API
	Metrics string `json:"metrics"` // base URL of the process's metrics and health
	PID     int    `json:"pid"`     // of the process that runs it; 0 when it has stopped

	Config      string `json:"config,omitempty"`      // base URL of the config service's HTTP
	Environment string `json:"environment,omitempty"` // which user tokens and credentials are for
	Region      string `json:"region,omitempty"`      // where the embedded platform runs
	Zone        string `json:"zone,omitempty"`

	// The first administrator, of the application "admin". Session is the one that
	// the start opened; when it has ended, the password opens another.
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Session  string `json:"session,omitempty"`

	// Demo holds users of the demo city: "customer", "driver" and "fleet".
	Demo map[string]DemoUser `json:"demo,omitempty"`
}

// DemoUser is what a user of the demo city logs in with, in the application of its
// name; that of "fleet" is "driver".
type DemoUser struct {
	Identifier string `json:"identifier"`
	Password   string `json:"password"`
	Session    string `json:"session,omitempty"` // that the start opened
}

// ReadAdmin reads the admin.json of a data folder. The error is fs.ErrNotExist
// where nothing has run on the folder yet.
func ReadAdmin(folder string) (Admin, error) {
	a, err := readAdmin(folder)
	if err == nil && a.Bus == "" {
		return a, fmt.Errorf("the administrator's file %s names no bus: the first start has not finished; start `hansom up` on that folder again",
			filepath.Join(folder, adminFile))
	}
	return a, err
}

// readAdmin also reads what a first start left that was cut short: passwords, and no bus yet.
func readAdmin(folder string) (Admin, error) {
	path := filepath.Join(folder, adminFile)
	var a Admin
	data, err := os.ReadFile(path)
	if err != nil {
		return a, fmt.Errorf("read the administrator's file: %w", err)
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("read the administrator's file %s: %w; restore it, or remove it: `hansom up` writes a new one, without the passwords that it held", path, err)
	}
	return a, nil
}

var pid = os.Getpid()

// busFolder is where the embedded bus keeps its data.
func busFolder(data string) string { return filepath.Join(data, "bus") }

// folder is a locked data folder.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder, mode 0700, where missing, and locks it. The lock
// goes with the process, however that ends.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w; choose another with --data", err)
	}
	file, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w; choose another with --data", err)
	}
	f := &folder{path, file}
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = file.Close()
		return nil, fmt.Errorf("the data folder %s is in use by %s; stop that one, or choose another folder with --data",
			path, f.holder())
	case err != nil:
		_ = file.Close()
		return nil, fmt.Errorf("lock the data folder %s: %w", path, err)
	}
	if err := f.sign(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// sign leaves this process's id for whoever finds the folder locked.
func (f *folder) sign() error {
	err := f.lock.Truncate(0)
	if err == nil {
		_, err = f.lock.WriteAt([]byte(strconv.Itoa(pid)+"\n"), 0)
	}
	if err != nil {
		return fmt.Errorf("write to the data folder %s: %w", f.path, err)
	}
	return nil
}

func (f *folder) holder() string {
	data, err := os.ReadFile(filepath.Join(f.path, "lock"))
	if pid := strings.TrimSpace(string(data)); err == nil && pid != "" {
		return "another `hansom up` (pid " + pid + ")"
	}
	return "another `hansom up`"
}

// writeAdmin replaces admin.json.
func (f *folder) writeAdmin(a Admin) error { return f.write(adminFile, a) }

// admin returns what admin.json of an earlier run says, and an empty Admin on first
// start.
func (f *folder) admin() (Admin, error) {
	a, err := readAdmin(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Admin{}, nil
	}
	return a, err
}

// close unlocks the folder. The rest of admin.json stays: it has the only copy of the first
// administrator's password.
func (f *folder) close() {
	if a, err := readAdmin(f.path); err == nil && a.PID == pid {
		a.PID = 0
		_ = f.writeAdmin(a)
	}
	_ = f.lock.Close()
}
