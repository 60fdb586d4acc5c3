// Package haproxy holds the configuration of HAProxy that operators install, so that tests and drills run the very same.
package haproxy

import _ "embed" // the configuration

// Config is haproxy.cfg. Its addresses come from environment variables; README.md lists them.
//
//go:embed haproxy.cfg
var Config string
