package document_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hansom-platform/hansom/kernel/config/document"
)

func TestParseRefusesWhatIsNotStrict(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)
	for _, c := range []struct{ name, text, want string }{
		{"a member twice", `{"a":1,"b":{"c":1,"c":2}}`, "line 1, column 22, at /b/c: the member is there twice"},
		{"something after the end", "{}\n{}", "line 2, column 1, at the top: something follows"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "at /a: the text is not UTF-8"},
		{"a lone surrogate", `{"a":"\ud800"}`, "a surrogate stands alone"},
		{"two high surrogates", `"\ud800\ud800"`, "a surrogate stands alone"},
		{"too deep", deep, "nested deeper than 64"},
		{"too long", `"` + strings.Repeat("x", document.MaxSize) + `"`, "at most 524288 are allowed"},
		{"nothing", ``, "the text ends"},
		{"a comma at the end", `{"a":1,}`, "a member's name in double quotes"},
		{"a leading zero", `{"a":01}`, "a comma or '}' should be here"},
		{"no digit", `[1.]`, "lacks a digit"},
		{"a control character", "\"\n\"", "control character"},
		{"an escape", `"\x"`, "no such escape"},
		{"no end", `"abc`, "the string has no end"},
		{"a comment", `{/**/}`, "a member's name"},
		{"NaN", `NaN`, "no JSON value begins like this"},
	} {
		_, err := document.Parse([]byte(c.text))
		var syntax *document.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Parse(%.40q) = %v, want a syntax error with %q", c.name, c.text, err, c.want)
		}
	}
}

func TestEncodeIsCanonical(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{` { "b" : [ 1 , true , null ] , "a" : { } } `, `{"a":{},"b":[1,true,null]}`},
		{`[123456789012345678901234567890, 1.0, 1e400, -0]`, `[123456789012345678901234567890,1.0,1e400,-0]`},
		{`"\u0041\u00e9\/\u2028<\u001f\n"`, "\"Aé/\u2028<\\u001f\\n\""},
		{`"\ud83d\ude00"`, `"😀"`},
		// RFC 8785 §3.2.3: by UTF-16 code units, so that the emoji's surrogates come before U+FB33.
		{`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`,
			"{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}"},
	} {
		if got := string(document.Encode(parse(t, c.text))); got != c.want {
			t.Errorf("Encode(%s) = %s, want %s", c.text, got, c.want)
		}
	}
}

func TestPathsAreDottedOrPointers(t *testing.T) {
	v := parse(t, `{"a":{"b.c":[10,{"~/":1}]},"":2}`)
	for path, want := range map[string]string{
		"a": `{"b.c":[10,{"~/":1}]}`, "/a/b.c/0": "10", "/a/b.c/1/~0~1": "1", "/": "2", "": `{"":2,"a":{"b.c":[10,{"~/":1}]}}`,
	} {
		got, ok := document.At(v, document.Tokens(path))
		if !ok || string(document.Encode(got)) != want {
			t.Errorf("at %q: %s, %v; want %s", path, document.Encode(got), ok, want)
		}
	}
	for _, path := range []string{"b", "/a/b.c/2", "/a/b.c/00", "/a/b.c/-1", "a.b.c", "/a/b.c/0/x"} {
		if got, ok := document.At(v, document.Tokens(path)); ok {
			t.Errorf("at %q: %s, want nothing", path, document.Encode(got))
		}
	}
}

func TestSecretsAreReadAndHidden(t *testing.T) {
	v := parse(t, `{"db":{"password":{"$secret":{"value":"pw","for":["core.b","core.a","core.b"]}}},"list":[{"$secret":{"hidden":true}}]}`)
	read, err := document.ReadSecrets(v, func(path []string, g document.Given) (document.Secret, error) {
		return document.Secret{Document: "x", Sealed: document.Pointer(path...), For: g.For}, nil
	})
	if err != nil {
		t.Fatalf("ReadSecrets: %v", err)
	}
	want := `{"db":{"password":{"$secret":{"for":["core.a","core.b"],"hidden":true}}},"list":[{"$secret":{"for":[],"hidden":true}}]}`
	if got := string(document.Encode(read)); got != want {
		t.Errorf("read and hidden: %s, want %s", got, want)
	}
	stored, err := document.ParseStored(document.EncodeStored(read))
	if err != nil {
		t.Fatalf("read what was stored: %v", err)
	}
	if again := document.ReadStored("x", stored); !document.Equal(again, read) {
		t.Errorf("stored and read again: %s, want %s", document.EncodeStored(again), document.EncodeStored(read))
	}
}

func TestMisshapenSecretsAreRefused(t *testing.T) {
	for _, text := range []string{
		`{"$secret":1}`, `{"$secret":{}}`, `{"$secret":{"value":"x"},"more":1}`, `{"$secret":{"value":"x","hidden":true}}`,
		`{"$secret":{"hidden":false}}`, `{"$secret":{"sealed":"x"}}`, `{"$secret":{"value":null}}`,
		`{"$secret":{"value":"x","for":[]}}`, `{"$secret":{"value":"x","for":"core.eta"}}`, `{"$secret":{"value":"x","for":["*"]}}`,
		`{"$secret":{"value":{"a":{"$secret":{"value":1}}}}}`, `{"$secret":{"value":"x","of":1}}`,
	} {
		_, err := document.ReadSecrets(parse(t, `{"a":`+text+`}`), func([]string, document.Given) (document.Secret, error) {
			return document.Secret{}, nil
		})
		if err == nil || !strings.Contains(err.Error(), "at /a") {
			t.Errorf("%s: error %v, want a refusal that names /a", text, err)
		}
	}
}
