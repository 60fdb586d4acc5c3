package broker

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// Credentials are what a client of the server shows.
type Credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Check implements server.Authentication.
func (c Credentials) Check(client server.ClientAuthentication) bool {
	shown := client.GetOpts()
	user := subtle.ConstantTimeCompare([]byte(shown.Username), []byte(c.User))
	password := subtle.ConstantTimeCompare([]byte(shown.Password), []byte(c.Password))
	return user&password == 1
}

// loadCredentials reads path, or makes credentials and keeps them there, mode 0600.
func loadCredentials(path string) (Credentials, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeCredentials(path)
	}
	var c Credentials
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err == nil && (c.User == "" || c.Password == "") {
		err = errors.New("user or password is missing")
	}
	if err != nil {
		return c, fmt.Errorf("read the bus's credentials: %s: %w; remove the file to have new ones made", path, err)
	}
	return c, nil
}

// makeCredentials writes beside the file and renames, so that a kill leaves
// either no file or a whole one.
func makeCredentials(path string) (Credentials, error) {
	c := Credentials{User: "hansom", Password: rand.Text()}
	data, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = os.WriteFile(path+".new", append(data, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return c, fmt.Errorf("keep the bus's credentials in %s: %w", path, err)
	}
	return c, nil
}
