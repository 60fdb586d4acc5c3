package login

import (
	"context"
	_ "embed"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hansom-platform/hansom/fault"
)

// maxPassword is the longest password in bytes, so that hashing one costs no more than another.
const maxPassword = 1024

// common are the passwords that attackers try first, one a line, in lower case.
//
//go:embed common.txt
var commonText string

var common = sync.OnceValue(func() map[string]bool {
	words := strings.Fields(commonText)
	set := make(map[string]bool, len(words))
	for _, w := range words {
		set[w] = true
	}
	return set
})

// checkPassword tells which rule of the application a new password breaks. As NIST
// SP 800-63B §3.1.1.2 has it, there are none on what characters a password is made of.
func checkPassword(a Application, password string, identifiers []string) error {
	refuse := func(rule, why string, args ...any) error {
		return fault.New(fault.BadRequest, "kernel.login.password."+rule, "the password is refused: "+why, args...)
	}
	folded, _ := fold(password)
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return refuse("text", "it is not UTF-8 text")
	case n < a.MinLength:
		return refuse("short", "it has %d characters and must have at least %d (min_length)", n, a.MinLength)
	case len(password) > maxPassword:
		return refuse("long", "it has %d bytes and may have at most %d", len(password), maxPassword)
	case common()[folded]:
		return refuse("common", "it is one of the most common passwords")
	}
	for _, word := range a.Forbid {
		if w, _ := fold(word); w != "" && strings.Contains(folded, w) {
			return refuse("forbidden", "it contains a word that is forbidden here (forbid)")
		}
	}
	for _, id := range identifiers {
		if about(folded, id) {
			return refuse("identifier", "it contains the user's own name, address or number")
		}
	}
	return nil
}

// about reports whether a password contains an identifier, or the name before the @ of one. Very short names are not
// looked for: they are in half of all passwords.
func about(password, identifier string) bool {
	name, _, _ := strings.Cut(identifier, "@")
	for _, s := range []string{identifier, name} {
		if utf8.RuneCountInString(s) >= 4 && strings.Contains(password, s) {
			return true
		}
	}
	return false
}

// used reports whether a new password is the present one or one of the last ones.
func (r *realm) used(ctx context.Context, a Application, u user, password string) (bool, error) {
	if a.History == 0 {
		return false, nil
	}
	last := append([]string{u.Hash}, u.History...)
	for _, stored := range last[:min(len(last), a.History)] {
		if stored == "" {
			continue
		}
		if right, _, err := r.hasher.verify(ctx, stored, password); err != nil || right {
			return right, err
		}
	}
	return false, nil
}

// setPassword gives u a new password within the application's rules.
func (r *realm) setPassword(ctx context.Context, u *user, password string) error {
	a := r.settings.application(u.Application)
	if err := checkPassword(a, password, u.Identifiers); err != nil {
		return err
	}
	used, err := r.used(ctx, a, *u, password)
	if err != nil {
		return err
	}
	if used {
		return fault.New(fault.BadRequest, "kernel.login.password.history",
			"the password is refused: it is one of the user's last %d (history)", a.History)
	}
	made, err := r.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	if u.Hash != "" {
		u.History = append([]string{u.Hash}, u.History...)
	}
	u.History = u.History[:min(len(u.History), max(a.History-1, 0))]
	u.Hash, u.PasswordSet = made, time.Now()
	return nil
}

func (a Application) expired(u user) bool {
	return a.MaxAge > 0 && time.Since(u.PasswordSet) > a.MaxAge
}
