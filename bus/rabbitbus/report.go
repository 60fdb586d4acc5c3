package rabbitbus

import (
	"fmt"
	"strings"
)

// Report says what Setup, Plan or AddUser found and changed on the broker. It shows no secret.
type Report struct {
	Changes []string // each a sentence fragment such as "made exchange h2.zone.b"
	Removed []string // what Changes took away, such as "exchange h2.zone.c"
	Kept    []string // what was right already
}

func (r *Report) add(format string, arguments ...any) {
	r.Changes = append(r.Changes, fmt.Sprintf(format, arguments...))
}

func (r *Report) remove(format string, arguments ...any) {
	what := fmt.Sprintf(format, arguments...)
	r.Changes = append(r.Changes, "removed "+what)
	r.Removed = append(r.Removed, what)
}

func (r *Report) keep(format string, arguments ...any) {
	r.Kept = append(r.Kept, fmt.Sprintf(format, arguments...))
}

// String lists the changes, one a line.
func (r Report) String() string {
	if len(r.Changes) == 0 {
		return "nothing to change"
	}
	return strings.Join(r.Changes, "\n")
}
