package auth

import (
	"bytes"
	"fmt"
	"slices"
)

// uniqueNames refuses valid JSON in which an object has two members of one name, and
// names other than lower-case words: tokens have no others, and so no two spellings
// of one.
func uniqueNames(text []byte) error {
	var open [][]string // names so far of the objects that are open; of arrays none
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := stringEnd(text, i)
			if !bytes.HasPrefix(bytes.TrimLeft(text[end:], " \t\r\n"), []byte(":")) {
				i = end - 1
				continue
			}
			name := string(text[i+1 : end-1])
			i = end - 1
			last := len(open) - 1
			if !lowerCase(name) || slices.Contains(open[last], name) {
				return fmt.Errorf("the member %.40q is not expected, or twice there", name)
			}
			open[last] = append(open[last], name)
		}
	}
	return nil
}

// stringEnd returns the offset after the string that begins at from.
func stringEnd(text []byte, from int) int {
	for i := from + 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func lowerCase(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
