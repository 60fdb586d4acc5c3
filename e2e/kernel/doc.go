// Package kernel holds the tests of kernel.discovery and kernel.binding
// together, on the real engine and with the identities that kernel.login gives:
// what registers is bound and called, whatever is killed. Nothing imports it.
package kernel
