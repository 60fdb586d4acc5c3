package login

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestIdentifiersThatLookAlikeAreOne(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"Ada@Example.com", "ada@example.COM"},
		{"  ada  ", "ada"},
		{"Ame\u0301lie", "am\u00e9lie"},
		{"STRASSE", "stra\u00dfe"},
		{"+44 20 7946 0000", "+44 20 7946 0000\n"},
	} {
		a, errA := normaliseIdentifier(c.a)
		b, errB := normaliseIdentifier(c.b)
		if errA != nil || errB != nil || a != b {
			t.Errorf("%q is %q (%v) and %q is %q (%v), want the same", c.a, a, errA, c.b, b, errB)
		}
	}
}

func TestIdentifiersThatAreRefused(t *testing.T) {
	for name, s := range map[string]string{
		"empty": "", "only space": " \t ", "too long": strings.Repeat("x", 255), "control": "a\x00b", "line break": "a\nb",
		"invisible": "a\u200bb", "turns the direction": "a\u202eb", "no-break space": "a\u00a0b", "not UTF-8": "a\xffb",
		"a user's id": newUserID(), "a user's id in capitals": strings.ToUpper(newUserID()),
	} {
		if got, err := normaliseIdentifier(s); err == nil {
			t.Errorf("%s: %q was accepted as %q", name, s, got)
		}
	}
}

func FuzzIdentifier(f *testing.F) {
	for _, s := range []string{"ada", " Ada@Example.com ", "stra\u00dfe", "a\u0301", "\u01c5", "a\xff", "\u0345\u03b1", "+44 20"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := normaliseIdentifier(s)
		if err != nil {
			return
		}
		if once == "" || len(once) > maxIdentifier || !utf8.ValidString(once) {
			t.Errorf("%q became %q", s, once)
		}
		if twice, err := normaliseIdentifier(once); err != nil || twice != once {
			t.Errorf("%q became %q, and that %q (%v); want it to stay", s, once, twice, err)
		}
	})
}

func FuzzSessionID(f *testing.F) {
	f.Add(newSecret())
	f.Add("hs_")
	f.Add("hs_" + strings.Repeat("A", 43))
	f.Add("hs_" + strings.Repeat("A", 42) + "B")
	f.Add("hs_" + strings.Repeat("A", 39) + "\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		digest, ok := secretDigest(s)
		if !ok {
			return
		}
		if raw, err := b64.DecodeString(s[len(sessionPrefix):]); err != nil || len(raw) != secretBytes {
			t.Errorf("%q is taken for a session's id: %v", s, err)
		}
		if strings.Contains(digest, s) {
			t.Errorf("what is stored of %q tells it", s)
		}
	})
}

func FuzzKnownDevice(f *testing.F) {
	d := devices{[]byte("key")}
	f.Add("u-1", d.issue("u-1", ""))
	f.Add("u-2", "hd_x")
	f.Add("u-1", "hd_"+strings.Repeat("\r", 60)+"AAAA")
	f.Fuzz(func(t *testing.T, user, secret string) {
		device, ok := d.recognise(user, secret)
		if ok && d.issue(user, device) != secret {
			t.Errorf("%q is taken for a device of %q that it was not issued for", secret, user)
		}
	})
}

func TestRolesThatAreRefused(t *testing.T) {
	for _, c := range []struct{ application, role string }{
		{"admin", "admin"}, {"admin", "A..B"}, {"admin", ""}, {"admin", "SERVICE"}, {"admin", "ANYONE"}, {"admin", "SERVICE.X"},
		{"customer", "ADMIN"}, {"admin", strings.Repeat("A", 65)},
	} {
		if _, err := checkRoles(c.application, []string{c.role}); err == nil {
			t.Errorf("a user of %s may have the role %q", c.application, c.role)
		}
	}
	if got, err := checkRoles("admin", []string{"FLEET.LONDON", "ADMIN", "ADMIN"}); err != nil || strings.Join(got, " ") != "ADMIN FLEET.LONDON" {
		t.Errorf("got %q, %v; want the roles sorted, each once", got, err)
	}
}

func TestWhoLosesRights(t *testing.T) {
	for _, c := range []struct {
		before, after string
		want          bool
	}{
		{"A B", "A", true}, {"A", "A B", false}, {"A.X", "A", false}, {"A", "A.X", true}, {"", "A", false}, {"A", "ADMIN", false},
	} {
		if got := loses(strings.Fields(c.before), strings.Fields(c.after)); got != c.want {
			t.Errorf("from %q to %q: loses = %v, want %v", c.before, c.after, got, c.want)
		}
	}
}
