package platform

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// versionLayout is a time as versions are written.
const versionLayout = "20060102150405"

var buildVersion atomic.Pointer[string]

// SetBuildVersion sets what BuildVersion returns, for programs that are stamped
// when they are linked. Call it before any service is made.
func SetBuildVersion(v string) {
	mustBeWord("version", v)
	buildVersion.Store(&v)
}

// BuildVersion returns the default version of services: what SetBuildVersion set,
// else the build's commit time as 20060102150405 in UTC, else fourteen zeros.
func BuildVersion() string {
	if v := buildVersion.Load(); v != nil {
		return *v
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t.UTC().Format(versionLayout)
			}
		}
	}
	return "00000000000000"
}
