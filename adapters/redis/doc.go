// Package redis is a self-configuring client of Redis, or of a server that speaks
// its protocol, through go-redis. Services import it.
//
//	seen := redis.New(svc, "seen")
//	...
//	n, err := seen.Incr(ctx, key).Result()
//
// Its settings are an object at hansom.adapters.redis.<name> of the service's
// configuration, which it follows while the service runs: see package adapters and
// docs/adapters.md.
//
//	{"url": "redis://seen@cache.example.com:6379/0", "password": "…"}
//
// # Errors
//
// All errors, of single commands in a pipeline too, are faults: what is not there is
// NotFound (errors.Is with Nil holds); a transaction whose watched keys changed, and a
// key that exists, are Conflict; a server that cannot be reached, is loading, full,
// read-only or refuses the login, and a full pool are Unavailable; a budget that ran
// out is Timeout; everything else is Internal.
package redis
