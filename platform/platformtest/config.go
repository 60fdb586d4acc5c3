package platformtest

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/hansom-platform/hansom/platform"
)

// Configure sets the configuration of a service, a JSON object, before it is started
// or while it runs: getters see it when Configure returns, callbacks run right after.
// It holds until a kernel.config of the test, if there is one, says otherwise.
// Without it a service has no configuration, and so the defaults.
func (e *Env) Configure(s *platform.Service, document string) {
	e.t.Helper()
	sum := sha256.Sum256([]byte(document))
	if err := s.Config().Set([]byte(document), s.Config().Revision()+1, hex.EncodeToString(sum[:])); err != nil {
		e.t.Fatalf("configure %s: %v", s.Name(), err)
	}
}
