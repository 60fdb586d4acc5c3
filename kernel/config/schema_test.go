package config_test

import (
	"testing"

	"github.com/hansom-platform/hansom/fault"
)

const citySchema = `{"pattern":"city/*","schema":{"type":"object","required":["name"],"properties":{"lat":{"type":"number","maximum":90},"key":{"type":"string","pattern":"^k-"}}}}`

func TestSchemasRefuseInvalidDocuments(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		h.set(replace("city/OLD", `{"lat":1}`), replace("city/DUB", `{"name":"Dublin","lat":53}`), replace("city/LON/extra", `{}`))
		h.refused(update(replace("schema/city", citySchema)), fault.BadRequest, "city/OLD", "missing property 'name'", "schema/city")
		h.set(replace("schema/city", citySchema), merge("city/OLD", `{"name":"Old"}`))
		h.refused(update(merge("city/DUB", `{"lat":91}`)), fault.BadRequest, "city/DUB at /lat", "91", "schema/city")
		h.refused(update(replace("city/LON", `{"lat":"x"}`)), fault.BadRequest, "city/LON at /lat: got string, want number", "city/LON: missing property")
		h.set(replace("city/LON", `{"name":"London"}`))
		h.set(remove("city/LON"))

		// A secret is judged, and its value stays out of the message.
		h.refused(update(merge("city/DUB", `{"key":{"$secret":{"value":"hunter2","for":["core.eta"]}}}`)), fault.BadRequest,
			"city/DUB at /key: the secret is not what the schema wants")
		h.set(merge("city/DUB", `{"key":{"$secret":{"value":"k-1","for":["core.eta"]}}}`))

		// A schema of layers judges each as it is written.
		h.set(replace("schema/base", `{"pattern":"base","schema":{"properties":{"n":{"type":"integer"}}}}`))
		h.refused(update(replace("base", `{"n":null}`)), fault.BadRequest, "base at /n: got null, want integer")
	})
}

func TestSchemaDocumentsAreChecked(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		for text, want := range map[string]string{
			`{}`:                                    `"pattern"`,
			`{"pattern":"[","schema":{}}`:           "pattern",
			`{"pattern":"x","schema":{"type":"?"}}`: "schema/x",
			`{"pattern":"x","schema":{"$ref":"https://example.com/x.json"}}`:                   "must not refer to https://example.com/x.json",
			`{"pattern":"x","schema":{"$ref":"file:///etc/passwd"}}`:                           "must not refer to file:///etc/passwd",
			`{"pattern":"x","schema":{"$schema":"https://example.com/draft","type":"object"}}`: "must not refer to",
			`{"pattern":"x","schema":{"pattern":"("}}`:                                         "schema/x",
			`{"pattern":"x","schema":{},"more":1}`:                                             "nothing else",
			`{"pattern":"x","schema":{"const":{"$secret":{"value":"x","for":["core.eta"]}}}}`:  "schema/x",
		} {
			h.refused(update(replace("schema/x", text)), fault.BadRequest, want)
		}
		h.set(replace("schema/x", `{"pattern":"x","schema":{"$defs":{"n":{"type":"number"}},"properties":{"a":{"$ref":"#/$defs/n"}}}}`))
		h.refused(update(replace("x", `{"a":"b"}`)), fault.BadRequest, "x at /a")
	})
}
