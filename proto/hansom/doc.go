// Package hansompb holds what is common to every contract: the hansom.* options that describe services and endpoints, the
// messages that the platform library itself puts on the bus, and those of the endpoints that every instance answers.
// Contracts import its .proto files; the platform, protoc-gen-hansom and the tools import the package.
package hansompb
