// Package dialect holds what the errors of databases mean to callers, whichever
// server they come from. adapters/sql and the packages of its servers import it.
package dialect

import "github.com/hansom-platform/hansom/fault"

// Kind is what an error means: the code and message of the fault, and the last
// word of its reason.
type Kind struct {
	Code    fault.Code
	Reason  string
	Message string
}

// The kinds.
var (
	NoRows      = Kind{fault.NotFound, "no_rows", "there is no such row"}
	Unique      = Kind{fault.Conflict, "unique", "it exists already"}
	ForeignKey  = Kind{fault.Conflict, "foreign_key", "it refers to what does not exist, or is referred to"}
	Constraint  = Kind{fault.Conflict, "constraint", "it violates a constraint"}
	Serialized  = Kind{fault.Conflict, "serialization", "it was changed at the same time"}
	Locked      = Kind{fault.Conflict, "locked", "it is being changed by another"}
	Timeout     = Kind{fault.Timeout, "timeout", "the database took too long"}
	Unreachable = Kind{fault.Unavailable, "unreachable", "the database cannot be reached"}
	Shutdown    = Kind{fault.Unavailable, "shutdown", "the database is shutting down or starting"}
	Full        = Kind{fault.Unavailable, "full", "the database has no room"}
	ReadOnly    = Kind{fault.Unavailable, "read_only", "the database takes no writes now"}
	Login       = Kind{fault.Unavailable, "login", "the database refuses the login"}
	Denied      = Kind{fault.Internal, "denied", "the database does not allow it"}
	Statement   = Kind{fault.Internal, "statement", "something went wrong on our side"}
)
