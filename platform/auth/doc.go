// Package auth is the format of the platform's tokens: how they are signed, how they
// are verified, and what they say. Package platform verifies with it what every
// request carries; kernel.login signs with it and nobody else does; kernel.config,
// the gateway and package app verify.
//
// Every token is a JSON Web Token (RFC 7519) in the compact form, signed with Ed25519
// (RFC 8037), of an explicit type (RFC 8725 §3.11), and no longer than MaxToken:
//
//   - A user token says who a request is made for; an identity token which service
//     makes it, for one called service only.
//   - A certificate, signed by the environment's Root, says whose a service's key is.
//     An assertion, signed with that key, is what an instance proves itself to
//     kernel.login with (RFC 7523).
//   - A key set, signed by the Root, holds the keys that user and identity tokens are
//     verified with. A statement is an instance of kernel.login's word about itself.
//
// Errors of verifying are faults. What is wrong with a token is in their reason and
// detail; their message, which callers see, only says that it is not accepted. See
// docs/decisions/0012-identity-and-tokens.md.
package auth
