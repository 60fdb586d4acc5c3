package sql

import "strings"

// operation returns the word that a statement begins with, in upper case: the
// kind of statement, for metrics and spans.
func operation(query string) string {
	for {
		query = strings.TrimLeft(query, " \t\r\n;(")
		switch {
		case strings.HasPrefix(query, "--"):
			_, query, _ = strings.Cut(query, "\n")
		case strings.HasPrefix(query, "/*"):
			_, query, _ = strings.Cut(query, "*/")
		default:
			return word(query)
		}
	}
}

// longestWord is that of SQL's own keywords that begin a statement, with room.
const longestWord = 20

func word(query string) string {
	end := strings.IndexFunc(query, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if end < 0 {
		end = len(query)
	}
	if end == 0 || end > longestWord {
		return "OTHER"
	}
	return strings.ToUpper(query[:end])
}
