// Package config is a service's own configuration as kernel.config compiled it
// from its layers: typed access with a default beside each use, and callbacks when
// something changes. Services and adapters import it; the platform fills it, keeps
// it up to date and puts it into the context of everything that it calls.
//
//	timeout := config.Duration(ctx, "hansom.gateway.timeout", 5*time.Second)
//
// # Keys
//
// A key is a path of members with dots between them; the empty key is the whole
// document. A member whose name has a dot in it can be reached by decoding the
// object around it only. A value of null counts as missing.
//
// # Wrong values
//
// A getter never fails: where the value is missing, or of another type than is
// asked for, it returns the fallback. The second is logged, once for each key and
// document. [Values.Decode] is strict and returns errors. Neither log nor
// error ever shows a value, since it may be a secret.
//
// # Concurrency
//
// Everything may be used from many goroutines. A document is replaced as a whole:
// one call sees one document, two calls may see two. What must fit together
// belongs into one object and is read with one Decode.
package config
