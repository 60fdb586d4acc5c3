package app

import "github.com/hansom-platform/hansom/platform"

// BuildVersion is the commit's time, YYYYMMDDhhmmss in UTC, set by the linker (see
// Makefile). It is empty in programs built otherwise; use Version.
var BuildVersion string

// Version is the build's version: BuildVersion, else what the go command noted of
// the commit, else fourteen zeros.
func Version() string {
	if BuildVersion != "" {
		return BuildVersion
	}
	return platform.BuildVersion()
}
