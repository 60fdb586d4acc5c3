package rabbitmq

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// findServer returns the folder that RabbitMQ is installed in. Its scripts are called there: the wrappers in /usr/sbin insist
// on a user of the system.
func findServer() (string, error) {
	const pattern = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("RabbitMQ is not installed (no " + pattern + "): run make deps-rabbitmq, " +
			"or on Debian apt-get install rabbitmq-server")
	}
	return filepath.Dir(filepath.Dir(latest(found))), nil
}

// latest returns the path with the highest version: its numbers, compared one by one.
func latest(paths []string) string {
	return slices.MaxFunc(paths, func(a, b string) int { return slices.Compare(numbers(a), numbers(b)) })
}

func numbers(text string) (all []int) {
	for _, digits := range strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err := strconv.Atoi(digits); err == nil {
			all = append(all, n)
		}
	}
	return all
}

func findEpmd() (string, error) {
	if path, err := exec.LookPath("epmd"); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/erlang/erts-*/bin/epmd")
	if err != nil || len(found) == 0 {
		return "", errors.New("epmd is not installed: run make deps-rabbitmq, or on Debian apt-get install erlang-base")
	}
	return latest(found), nil
}

const exchangeFiles = "rabbitmq_h2_exchange-*.ez"

// FindExchange returns the file of our exchange plugin: from the folder plugins beside this executable, or, where that has
// none, from bin/plugins of the checkout that the current folder is in, as in tests. Of several versions it is the one
// that was made last.
func FindExchange() (string, error) {
	var looked []string
	if executable, err := os.Executable(); err == nil {
		looked = append(looked, filepath.Join(filepath.Dir(executable), "plugins"))
	}
	if root, ok := checkout(); ok {
		looked = append(looked, filepath.Join(root, "bin", "plugins"))
	}
	for _, folder := range looked {
		if file := newest(filepath.Join(folder, exchangeFiles)); file != "" {
			return file, nil
		}
	}
	return "", fmt.Errorf("find RabbitMQ's exchange plugin: no %s in %v: run make exchange, "+
		"and keep the folder plugins beside the executable", exchangeFiles, looked)
}

// checkout returns the folder of go.mod above the current folder.
func checkout() (string, bool) {
	folder, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, true
		}
		if folder == filepath.Dir(folder) {
			return "", false
		}
	}
}

func newest(pattern string) (file string) {
	found, _ := filepath.Glob(pattern) // the pattern is well-formed
	var made int64
	for _, candidate := range found {
		if info, err := os.Stat(candidate); err == nil && info.ModTime().UnixNano() > made {
			file, made = candidate, info.ModTime().UnixNano()
		}
	}
	return file
}
