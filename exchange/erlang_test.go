package exchange

import (
	"os/exec"
	"strings"
	"testing"
)

// TestErlang runs the golden cases of proto/vectors, which the rule in Go passes too, and the properties.
func TestErlang(t *testing.T) {
	if testing.Short() {
		return
	}
	out, err := exec.CommandContext(t.Context(), "rabbitmq_h2_exchange/build.sh", "test").CombinedOutput()
	if err != nil {
		t.Fatalf("the plugin's tests: %v\n%s", err, out)
	}
	if n := strings.Count(string(out), "tests passed."); n != 2 {
		t.Errorf("want 2 modules whose tests passed, got %d in\n%s", n, out)
	}
	if n := strings.Count(string(out), "OK: Passed 500 test(s)"); n != 4 {
		t.Errorf("want 4 properties that passed, got %d in\n%s", n, out)
	}
}
