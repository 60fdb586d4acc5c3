package auth_test

import (
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/platform/auth"
)

func TestImplies(t *testing.T) {
	for _, tt := range []struct {
		have, want string
		implied    bool
	}{
		{"FOO", "FOO", true},
		{"FOO", "FOO.BAR", true},
		{"FOO", "FOO.BAR.BAZ", true},
		{"FOO.BAR", "FOO.BAR.BAZ", true},
		{"FOO.BAR", "FOO", false},
		{"FOO.BAR", "FOO.BAZ", false},
		{"FOO", "FOOBAR", false},
		{"FOO", "FO", false},
		{"ADMIN", "FOO", true},
		{"ADMIN", "ADMIN", true},
		{"ADMIN", "FOO.BAR", true},
		{"ADMIN.VIEW", "ADMIN", false},
		{"ADMIN.VIEW", "FOO", false},
		{"", "FOO", false},
		{"", "", false},
		{"ADMIN", "", false},
		{"foo", "FOO", false},
	} {
		if got := auth.Implies(tt.have, tt.want); got != tt.implied {
			t.Errorf("Implies(%q, %q) = %t, want %t", tt.have, tt.want, got, tt.implied)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("A", 129)
	for s, want := range map[string][2]bool{ // role, identifier
		"ADMIN": {true, true}, "FOO.BAR": {true, true}, "A1_B": {true, true}, "admin": {false, true}, "core.eta-0199": {false, true},
		"": {}, ".": {}, "FOO.": {false, true}, ".FOO": {}, "FOO..BAR": {false, true}, "1A": {false, true}, "A B": {}, "A\n": {}, "É": {},
		long: {}, "a@b.c": {false, true}, "-a": {}, "a/b": {}, `a"b`: {},
	} {
		if got := [2]bool{auth.ValidRole(s), auth.ValidIdentifier(s)}; got != want {
			t.Errorf("%q is a role, an identifier: %v, want %v", s, got, want)
		}
	}
}

// FuzzRole checks what must hold of whatever may come as a role or an identifier.
func FuzzRole(f *testing.F) {
	for _, s := range []string{"ADMIN", "FOO.BAR", "FOO", "foo", "", ".", "A.B.C", "CUSTOMER\x00", "ADMIN.VIEW"} {
		f.Add(s, "FOO.BAR")
		f.Add("FOO", s)
	}
	f.Fuzz(func(t *testing.T, have, want string) {
		if auth.ValidRole(have) && !auth.ValidIdentifier(have) {
			t.Errorf("%q is a role and no identifier", have)
		}
		if auth.ValidIdentifier(have) && strings.ContainsAny(have, " \t\r\n\x00,;\"") {
			t.Errorf("%q is an identifier that breaks a header", have)
		}
		implied := have != "" && want != "" && (have == want || have == auth.Admin || strings.HasPrefix(want, have+"."))
		if got := auth.Implies(have, want); got != implied {
			t.Errorf("Implies(%q, %q) = %t, want %t", have, want, got, implied)
		}
		if auth.Implies(have, want) && auth.Implies(want, have) && have != want {
			t.Errorf("%q and %q imply each other", have, want)
		}
	})
}
