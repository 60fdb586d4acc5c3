package config_test

import (
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
)

func TestAConfigurationThatTheBusDoesNotTakeSaysSo(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		long := strings.Repeat("x", 400<<10)
		h.set(replace("base", `{"a":"`+long+`"}`), replace("env/test", `{"b":"`+long+`"}`))
		if n := len(h.compile(h.as("core.eta"), layers("core.eta", "")).GetDocument()); n < 800<<10 {
			t.Errorf("two layers of 400 KiB are compiled to %d bytes", n)
		}
		h.set(replace("env/test/core.eta", `{"c":"`+long+`"}`))
		response, err := h.as("core.eta").Compile(t.Context(), layers("core.eta", ""))
		mustFail(t, response, err, fault.BadRequest, "too many for one message", "out of the layers")
	})
}
