// Package adapters is what the self-configuring clients of outside systems have in
// common. The adapters below it import it; services import those (adapters/sql,
// adapters/redis).
//
// An [Adapter] belongs to one service and has a name. It reads its settings from
// the service's configuration, at hansom.adapters.<kind>.<name>, and follows them:
//
//   - A new configuration is opened and proven, by one round trip to the server,
//     before it replaces the old one. What runs on the old one finishes there, under
//     the limit "drain".
//   - A configuration that cannot be read is refused: the old one stays in force and
//     the log says which key and what to do. One whose server cannot be reached is
//     tried again, less and less often, while the old one stays in force.
//   - Where none is in force, a configuration that can be read is taken at once, so
//     that a service starts without its database and recovers when that comes up.
//   - Without a configuration nothing is open, and operations are Unavailable.
//
// # Operations
//
// An [Operation] is one use of the client in force. It takes one of max_open places
// and waits for one no longer than "wait" or nine tenths of its context's remaining
// budget; after that it is Unavailable. A context without a deadline gets "timeout".
// Each operation is a span and is counted, and its error is a fault. Nothing is
// retried: only the caller knows what may be repeated. A write that ended as
// Unavailable or Timeout may have been done.
//
// # Secrets
//
// No password reaches a log, an error, a metric or a span. Errors carry what the
// server said as a detail for operators.
//
// # Concurrency
//
// Everything may be used from many goroutines, except New, which comes before Run.
package adapters
