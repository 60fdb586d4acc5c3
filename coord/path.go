package coord

import (
	"fmt"
	"strings"

	"github.com/hansom-platform/hansom/fault"
)

// Limits of paths, so that every engine can carry them.
const (
	MaxPath    = 512 // bytes of a whole path
	MaxSegment = 200 // bytes of one segment
)

// Roots that Lock and Lead keep their nodes under.
const (
	locksRoot   = "/_locks"
	leadersRoot = "/_leaders"
)

// CheckPath returns nil for a valid path: one or more segments, each after a
// slash, each of 1 to MaxSegment characters of [A-Za-z0-9._-] and neither "." nor
// "..", MaxPath bytes at most. Otherwise it returns a BadRequest that says what is wrong.
func CheckPath(path string) error {
	switch {
	case path == "":
		return badPath(path, "it is empty")
	case path[0] != '/':
		return badPath(path, "it must begin with a slash")
	case path == "/":
		return badPath(path, "the root is not a node")
	case len(path) > MaxPath:
		return badPath(path[:40]+"…", fmt.Sprintf("it has %d bytes, at most %d are allowed", len(path), MaxPath))
	}
	for seg := range strings.SplitSeq(path[1:], "/") {
		if why := segmentFlaw(seg); why != "" {
			return badPath(path, why)
		}
	}
	return nil
}

func segmentFlaw(seg string) string {
	switch {
	case seg == "":
		return "it has an empty segment or a trailing slash"
	case seg == "." || seg == "..":
		return fmt.Sprintf("%q may not be a segment", seg)
	case len(seg) > MaxSegment:
		return fmt.Sprintf("the segment %s… has %d bytes, at most %d are allowed", seg[:40], len(seg), MaxSegment)
	}
	for _, r := range seg {
		if !segmentRune(r) {
			return fmt.Sprintf("%q is not allowed; use letters, digits, '.', '_' and '-'", r)
		}
	}
	return ""
}

func segmentRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		r == '.' || r == '_' || r == '-'
}

func badPath(path, why string) error {
	return fault.New(fault.BadRequest, "coord.path", "bad path %q: %s", path, why)
}

func checkPrefix(prefix string) error {
	if prefix == "/" {
		return nil
	}
	return CheckPath(prefix)
}

// checkWrite checks what a caller may write; Lock and Lead go around it.
func checkWrite(path string, data []byte) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	for _, root := range []string{locksRoot, leadersRoot} {
		if under(root, path) {
			return badPath(path, "paths under "+root+" are written by Lock and Lead only")
		}
	}
	if len(data) > MaxData {
		return fault.New(fault.BadRequest, "coord.data",
			"data for %s has %d bytes, at most %d are allowed; keep the bulk in the store and a reference here", path, len(data), MaxData)
	}
	return nil
}

// under reports whether path is prefix or lies below it.
func under(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/' || prefix == "/")
}

// checkName checks a lock's or leadership's name: a path without its first slash.
func checkName(kind, name string) error {
	if err := CheckPath("/" + name); err != nil {
		return fault.New(fault.BadRequest, "coord.name", "bad %s name %q: %s", kind, name, fault.From(err).Message)
	}
	return nil
}
