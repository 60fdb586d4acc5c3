// Package platform is the library that services are written with. A service
// author, the gateway and the CLI import it; it knows no bus driver and nothing
// of the kernel but the contracts of discovery, login and config.
//
// A [Service] serves endpoints and calls those of others; a [Client] only calls.
// [Service.Run] connects, opens the instance's queue, proves to kernel.login who it
// is, registers it and serves until its context ends, then drains; [Main] does so
// for a process.
//
// # Calls
//
// A call has one time budget: what is left of its context's, or, where that has
// no deadline, what its attempts may take together. The budget goes along, and
// so does everything else that a request carries down the tree: trace, cohort,
// overlay, session, token. A handler's context ends with the request's budget.
//
// Idempotent endpoints are attempted up to three times. An attempt may take the
// endpoint's declared upper-95 time × 2 × the attempt's number, 2 s where it is
// not declared, at least 10 ms and at most 60 s. Only what another attempt may
// mend is retried, and no more than a tenth of a client's calls. Endpoints that
// are not idempotent get one attempt with the whole budget. A circuit breaker per
// endpoint stops calls to what fails nearly always. See docs/decisions/0005-resilience.md.
//
// # Who calls
//
// Every call of a service carries an identity token for the service that is called,
// and the token of the user on whose behalf it is made, if any. Both are verified
// before a handler runs, against the endpoint's roles: see [DefaultAuthoriser].
// [CallerOf] and [UserOf] tell handlers what was proven. Denied callers learn no more
// than that; what was missing is logged and remembered with the hop. While
// kernel.login is away known tokens are good until they expire, from half an hour to
// an hour. See docs/decisions/0012-identity-and-tokens.md.
//
// # Errors
//
// Call returns a *fault.Error or nil. Its origin is fault.Peer when the service
// said so, fault.Local when this side inferred it: a timeout, no route, an
// unreachable bus, an open circuit, an answer that cannot be read. Reasons made
// here begin with "platform.". A handler returns faults; any other error reaches
// the caller as Internal without its text.
//
// # Concurrency
//
// Everything may be used from many goroutines, except what prepares a service
// (Handle, Subscribe, Check and the like), which comes before Run. Handlers run
// concurrently, as many as Concurrency says; what comes beyond is refused at once.
package platform
