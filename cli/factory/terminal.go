package factory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"
)

// password reads from the terminal of this process.
func password() func(prompt string) (string, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return nil
	}
	return func(prompt string) (string, error) {
		_, _ = fmt.Fprint(os.Stderr, prompt)
		secret, err := term.ReadPassword(in)
		_, _ = fmt.Fprintln(os.Stderr)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(secret), nil
	}
}

// edit runs $VISUAL or $EDITOR, which may have arguments.
func edit(ctx context.Context, path string) error {
	editor := strings.Fields(cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi"))
	cmd := exec.CommandContext(ctx, editor[0], append(editor[1:], path)...) //nolint:gosec // it is the user's own choice
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("edit with %s: %w; $EDITOR names another editor", strings.Join(editor, " "), err)
	}
	return nil
}

// maxSecret bounds a line of standard input that holds a password.
const maxSecret = 4096

// Secret reads one secret: a line of standard input where fromInput is true, else from
// the terminal.
func (f *Factory) Secret(prompt string, fromInput bool) (string, error) {
	if fromInput {
		return f.line()
	}
	if f.Password == nil {
		return "", errors.New("there is no terminal to ask for a password: give it on standard input, with --password-stdin")
	}
	secret, err := f.Password(prompt)
	if err == nil && secret == "" {
		err = errors.New("the password is empty")
	}
	return secret, err
}

// NewSecret reads a secret that is to be set. On a terminal it is asked for twice.
func (f *Factory) NewSecret(prompt string, fromInput bool) (string, error) {
	secret, err := f.Secret(prompt+": ", fromInput)
	if err != nil || fromInput {
		return secret, err
	}
	again, err := f.Secret(prompt+", again: ", false)
	if err == nil && again != secret {
		err = errors.New("the two passwords are not the same")
	}
	return secret, err
}

// line reads up to the end of a line, and not a byte more, so that several can be read.
func (f *Factory) line() (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) <= maxSecret {
		n, err := f.In.Read(one)
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read a password from standard input: %w", err)
		}
		line = append(line, one[:n]...)
	}
	secret := strings.TrimSuffix(string(line), "\r")
	if secret == "" || len(secret) > maxSecret {
		return "", fmt.Errorf("read a password from standard input: want a line of 1 to %d bytes", maxSecret)
	}
	return secret, nil
}
