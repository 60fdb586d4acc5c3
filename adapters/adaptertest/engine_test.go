package adaptertest

import (
	"strings"
	"testing"
)

func TestAMissingEngineIsNamedWithItsRemedy(t *testing.T) {
	_, err := find("no-such-server", "/no/such/folder/*/no-such-server")
	if err == nil || !strings.Contains(err.Error(), "no-such-server is not installed") || !strings.Contains(err.Error(), "make deps") {
		t.Errorf("looking for a server that is not installed: %v, want its name and \"make deps\"", err)
	}
}
