package coord

import (
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/fault"
)

func TestCheckPath(t *testing.T) {
	for _, path := range []string{"/a", "/a/b", "/A.b-c_9/...", "/" + strings.Repeat("x", MaxSegment)} {
		if err := CheckPath(path); err != nil {
			t.Errorf("CheckPath(%.40q) = %v, want nil", path, err)
		}
	}
	for path, why := range map[string]string{
		"":                                      "empty",
		"/":                                     "root",
		"a":                                     "begin with a slash",
		"/a/":                                   "trailing slash",
		"/a//b":                                 "empty segment",
		"/a b":                                  "' ' is not allowed",
		"/a/../b":                               `".." may not`,
		"/é":                                    "'é' is not allowed",
		"/" + strings.Repeat("x", MaxSegment+1): "201 bytes",
		strings.Repeat("/x", MaxPath):           "at most 512",
	} {
		err := CheckPath(path)
		if !fault.Is(err, fault.BadRequest) || !strings.Contains(err.Error(), why) {
			t.Errorf("CheckPath(%.40q) = %v, want BAD_REQUEST with %q", path, err, why)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, tc := range []struct {
		prefix, path string
		want         bool
	}{
		{"/", "/a", true},
		{"/a", "/a", true},
		{"/a", "/a/b", true},
		{"/a", "/ab", false},
		{"/a/b", "/a", false},
	} {
		if got := under(tc.prefix, tc.path); got != tc.want {
			t.Errorf("under(%q, %q) = %v, want %v", tc.prefix, tc.path, got, tc.want)
		}
	}
}
