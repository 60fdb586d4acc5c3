package login

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/hansom-platform/hansom/fault"
)

// Limits of names.
const (
	maxIdentifier  = 254 // bytes of a normalised identifier: the longest e-mail address (RFC 5321 §4.5.3.1.3)
	maxIdentifiers = 10  // of one user
	maxRoles       = 50  // of one user
	maxReason      = 500 // bytes of why something was done
	maxSource      = 64  // bytes of a network address
)

var (
	applicationShape = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	deviceShape      = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	userIDShape      = regexp.MustCompile(`^u-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

func checkApplication(name string) error {
	if applicationShape.MatchString(name) {
		return nil
	}
	return fault.New(fault.BadRequest, "kernel.login.application",
		"application %.40q: a name is a lower-case letter and up to 31 lower-case letters, digits, '_' and '-'", name)
}

// normaliseIdentifier returns the form in which an identifier is compared and
// stored: without space around it, in Unicode's form NFC, letters folded. It refuses what
// cannot be told apart by looking at it: control and format characters and
// unusual spaces; and what could be taken for a user's id.
func normaliseIdentifier(s string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", fault.New(fault.BadRequest, "kernel.login.identifier", "identifier %.64q: %s", s, why)
	}
	if len(s) > 4*maxIdentifier {
		return refuse("it is too long")
	}
	if !utf8.ValidString(s) {
		return refuse("it is not UTF-8")
	}
	folded, stable := fold(strings.TrimSpace(s))
	if !stable {
		return refuse("its letters have no stable form")
	}
	switch {
	case folded == "":
		return refuse("it is empty")
	case len(folded) > maxIdentifier:
		return refuse("it has more than 254 bytes")
	case strings.ContainsFunc(folded, unfit):
		return refuse("it has control characters, invisible characters or unusual spaces")
	case userIDShape.MatchString(folded):
		return refuse("it has the form of a user's id")
	}
	return folded, nil
}

// fold folds letters and composes until nothing changes any more: folding may
// leave letters that compose anew.
func fold(s string) (string, bool) {
	folder := cases.Fold()
	for range 4 {
		next := strings.TrimSpace(norm.NFC.String(folder.String(norm.NFC.String(s))))
		if next == s {
			return s, true
		}
		s = next
	}
	return s, false
}

func unfit(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.C) || unicode.IsSpace(r) && r != ' '
}

// normaliseIdentifiers normalises all and drops those that are the same.
func normaliseIdentifiers(all []string) ([]string, error) {
	var unique []string
	seen := make(map[string]bool, len(all))
	for _, s := range all {
		n, err := normaliseIdentifier(s)
		if err != nil {
			return nil, err
		}
		if !seen[n] {
			seen[n] = true
			unique = append(unique, n)
		}
	}
	return unique, nil
}

func checkIdentifierCount(n int) error {
	if n < 1 || n > maxIdentifiers {
		return fault.New(fault.BadRequest, "kernel.login.identifiers", "a user has from 1 to %d identifiers, not %d", maxIdentifiers, n)
	}
	return nil
}

// checkText refuses free text that is too long for the records it goes into.
func checkText(what, s string, most int) error {
	if len(s) > most || !utf8.ValidString(s) {
		return fault.New(fault.BadRequest, "kernel.login.text", "%s: it must be UTF-8 of at most %d bytes", what, most)
	}
	return nil
}

func deviceType(s string) (string, error) {
	if s == "" {
		return "web", nil
	}
	if !deviceShape.MatchString(s) {
		return "", fault.New(fault.BadRequest, "kernel.login.device",
			"device type %.40q: a lower-case letter and up to 31 lower-case letters, digits, '_' and '-', such as web, ios, cli", s)
	}
	return s, nil
}
