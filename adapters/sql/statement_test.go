package sql

import (
	"strings"
	"testing"
)

func TestOperation(t *testing.T) {
	cases := map[string]string{
		"SELECT 1":                           "SELECT",
		"\n\t  insert into t values (1)":     "INSERT",
		"(SELECT 1) UNION (SELECT 2)":        "SELECT",
		"-- a note\nUPDATE t SET a = 1":      "UPDATE",
		"/* a\nnote */ /**/ DELETE FROM t":   "DELETE",
		"with x as (select 1) select * from": "WITH",
		";;COMMIT;":                          "COMMIT",
		"":                                   "OTHER",
		"-- only a note":                     "OTHER",
		"/* never closed":                    "OTHER",
		"'alice'":                            "OTHER",
		"SELECT":                             "SELECT",
		strings.Repeat("a", 1000):            "OTHER",
	}
	for query, want := range cases {
		if got := operation(query); got != want {
			t.Errorf("operation(%q) = %q, want %q", query, got, want)
		}
	}
}
