package document

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A SyntaxError says where a text is no document, and why.
type SyntaxError struct {
	Line, Column int    // from 1; columns count bytes
	Path         string // JSON Pointer of the value that was being read
	Problem      string
}

func (e *SyntaxError) Error() string {
	at := e.Path
	if at == "" {
		at = "the top"
	}
	return fmt.Sprintf("line %d, column %d, at %s: %s", e.Line, e.Column, at, e.Problem)
}

// Parse reads one JSON value (RFC 8259) strictly: it refuses duplicate members,
// invalid UTF-8, lone surrogates, anything after the value, and what passes the limits of this
// package. The error is a *SyntaxError. Numbers keep their text.
func Parse(text []byte) (any, error) {
	p := &parser{text: text, depth: MaxDepth}
	return p.parse(MaxSize)
}

// ParseStored reads what EncodeStored wrote, without limits.
func ParseStored(text []byte) (any, error) {
	p := &parser{text: text, depth: 10 * MaxDepth}
	return p.parse(len(text))
}

// parser reads by recursive descent, and panics with a *SyntaxError.
type parser struct {
	text  []byte
	at    int
	path  []string
	depth int
}

func (p *parser) parse(size int) (v any, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *SyntaxError:
			v, err = nil, r
		default:
			panic(r)
		}
	}()
	if len(p.text) > size {
		p.fail("the document has %d bytes; at most %d are allowed", len(p.text), size)
	}
	p.space()
	v = p.value()
	p.space()
	if p.at < len(p.text) {
		p.fail("something follows the document's end")
	}
	return v, nil
}

func (p *parser) fail(format string, args ...any) {
	e := &SyntaxError{Line: 1, Column: 1, Path: Pointer(p.path...), Problem: fmt.Sprintf(format, args...)}
	for _, c := range p.text[:min(p.at, len(p.text))] {
		e.Column++
		if c == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	panic(e)
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at >= len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *parser) value() any {
	switch c := p.peek(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		return p.string()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case p.word("true"):
		return true
	case p.word("false"):
		return false
	case p.word("null"):
		return nil
	case p.at >= len(p.text):
		p.fail("the text ends where a value should be")
	}
	p.fail("no JSON value begins like this")
	return nil
}

func (p *parser) word(w string) bool {
	if len(p.text)-p.at < len(w) || string(p.text[p.at:p.at+len(w)]) != w {
		return false
	}
	p.at += len(w)
	return true
}

func (p *parser) enter(token string) {
	p.path = append(p.path, token)
	if len(p.path) > p.depth {
		p.fail("values are nested deeper than %d", p.depth)
	}
}

func (p *parser) leave() { p.path = p.path[:len(p.path)-1] }

func (p *parser) object() any {
	p.at++
	all := map[string]any{}
	if p.space(); p.peek() == '}' {
		p.at++
		return all
	}
	for {
		if p.space(); p.peek() != '"' {
			p.fail("a member's name in double quotes should be here")
		}
		name := p.string()
		p.enter(name)
		if _, twice := all[name]; twice {
			p.fail("the member is there twice")
		}
		if p.space(); p.peek() != ':' {
			p.fail("a colon should follow the member's name")
		}
		p.at++
		p.space()
		all[name] = p.value()
		p.leave()
		if p.end('}') {
			return all
		}
	}
}

func (p *parser) array() any {
	p.at++
	all := []any{}
	if p.space(); p.peek() == ']' {
		p.at++
		return all
	}
	for {
		p.enter(strconv.Itoa(len(all)))
		p.space()
		all = append(all, p.value())
		p.leave()
		if p.end(']') {
			return all
		}
	}
}

// end reads what follows an element: a comma, or the closing bracket, which it reports.
func (p *parser) end(closing byte) bool {
	p.space()
	switch p.peek() {
	case ',':
		p.at++
		return false
	case closing:
		p.at++
		return true
	}
	p.fail("a comma or %q should be here", closing)
	return false
}

func (p *parser) number() any {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	if p.peek() == '0' {
		p.at++
	} else {
		p.digits()
	}
	if p.peek() == '.' {
		p.at++
		p.digits()
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		p.digits()
	}
	return json.Number(p.text[start:p.at])
}

func (p *parser) digits() {
	start := p.at
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.at++
	}
	if p.at == start {
		p.fail("the number lacks a digit here")
	}
}

func (p *parser) string() string {
	p.at++
	start := p.at
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return string(p.text[start : p.at-1])
		case c == '\\':
			return p.escaped(append([]byte(nil), p.text[start:p.at]...))
		default:
			p.rune()
		}
	}
	p.fail("the string has no end")
	return ""
}

// rune steps over one character of a string.
func (p *parser) rune() {
	c := p.text[p.at]
	if c < 0x20 {
		p.fail("a control character must be escaped in a string")
	}
	if c < utf8.RuneSelf {
		p.at++
		return
	}
	r, n := utf8.DecodeRune(p.text[p.at:])
	if r == utf8.RuneError && n <= 1 {
		p.fail("the text is not UTF-8")
	}
	p.at += n
}

// escaped reads the rest of a string that has escapes.
func (p *parser) escaped(b []byte) string {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return string(b)
		case c == '\\':
			b = utf8.AppendRune(b, p.escape())
		default:
			from := p.at
			p.rune()
			b = append(b, p.text[from:p.at]...)
		}
	}
	p.fail("the string has no end")
	return ""
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *parser) escape() rune {
	p.at++
	c := p.peek()
	p.at++
	if c != 'u' {
		r, ok := escapes[c]
		if !ok {
			p.fail("there is no such escape")
		}
		return r
	}
	r := p.unit()
	if !utf16.IsSurrogate(r) {
		return r
	}
	if p.word(`\u`) {
		if r = utf16.DecodeRune(r, p.unit()); r != utf8.RuneError {
			return r
		}
	}
	p.fail("a surrogate stands alone, which is no character")
	return 0
}

func (p *parser) unit() rune {
	if len(p.text)-p.at < 4 {
		p.fail("four hexadecimal digits should follow \\u")
	}
	n, err := strconv.ParseUint(string(p.text[p.at:p.at+4]), 16, 16)
	if err != nil {
		p.fail("four hexadecimal digits should follow \\u")
	}
	p.at += 4
	return rune(n)
}
