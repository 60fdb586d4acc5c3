package driver

import "fmt"

// The reasons of faults that drivers return. They are part of package store's contract.
const (
	ReasonNotFound = "store.not_found" // NotFound
	ReasonClosed   = "store.closed"    // Unavailable: closed on this side
	ReasonTimeout  = "store.timeout"   // Timeout: the engine did not answer in time
	ReasonLocked   = "store.locked"    // Unavailable: somebody else holds the engine's lock for writing
	ReasonFull     = "store.full"      // Unavailable: no space is left; reads go on
	ReasonCorrupt  = "store.corrupt"   // Unavailable: what is stored contradicts itself
	ReasonReadOnly = "store.read_only" // Unavailable: this process may not write there
	ReasonMoved    = "store.moved"     // Unavailable: the file is no longer where it was opened
	ReasonForeign  = "store.foreign"   // Unavailable: what is stored is not ours, or of a newer version
	ReasonIO       = "store.io"        // Unavailable: the operating system refused to read or write
)

// Refused is the error of an Apply whose conditions do not all hold. Package
// store makes a fault of it that suits the operation.
type Refused struct {
	Op       int    // the first operation whose condition does not hold
	Revision uint64 // of the record that is there; 0 where there is none
}

// Error describes the refusal to an operator.
func (r *Refused) Error() string {
	if r.Revision == 0 {
		return fmt.Sprintf("operation %d: there is no record", r.Op)
	}
	return fmt.Sprintf("operation %d: the record is at revision %d", r.Op, r.Revision)
}
