package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
)

// MaxBody is the size limit of a JSON body, in bytes.
const MaxBody = 16 << 10

// Decode reads the one JSON object that is r's body into v, a pointer to a struct
// whose fields are all tagged, strictly: fields that v does not have, also in
// another case, fields given twice, and anything after the object are refused. Its
// errors name the field where there is one, and have status 400, 413 or 415.
func Decode(r *http.Request, v any) error {
	kind := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "not_json", "the content type is %.80q: want application/json", kind)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return refuse(http.StatusBadRequest, "body_cut", "the body could not be read to its end")
	}
	if len(body) > MaxBody {
		return refuse(http.StatusRequestEntityTooLarge, "body_too_large", "the body has more than %d bytes", MaxBody)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return badJSON(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "trailing_data", "there is more after the JSON object")
	}
	return checkNames(body, reflect.TypeOf(v).Elem())
}

// checkNames looks at the names in a valid JSON object more closely than
// encoding/json does, which takes them in any case and as often as they come. What
// one program reads from such a body, the next may not.
func checkNames(body []byte, of reflect.Type) error {
	given := map[string]bool{}
	for i := range of.NumField() {
		given[of.Field(i).Tag.Get("json")] = false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	_, _ = decoder.Token() // the brace
	for decoder.More() {
		token, err := decoder.Token()
		if err == nil {
			err = decoder.Decode(new(json.RawMessage))
		}
		name, isName := token.(string)
		if err != nil || !isName {
			return badJSON(err)
		}
		switch twice, known := given[name]; {
		case !known:
			return refuse(http.StatusBadRequest, "unknown_field", "%.100q: no such field", name)
		case twice:
			return refuse(http.StatusBadRequest, "bad_field", "%s: is given twice", name)
		}
		given[name] = true
	}
	return nil
}

// unknownField begins encoding/json's only word about an unknown field.
const unknownField = "json: unknown field "

func badJSON(err error) error {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return refuse(http.StatusBadRequest, "broken_json", "the body is no JSON: byte %d: %s", syntax.Offset, syntax)
	case errors.Is(err, io.EOF):
		return refuse(http.StatusBadRequest, "broken_json", "the body is empty: want a JSON object")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(http.StatusBadRequest, "broken_json", "the body ends inside the JSON object")
	case errors.As(err, &mistyped) && mistyped.Field == "":
		return refuse(http.StatusBadRequest, "bad_field", "the body is a JSON %s: want an object", mistyped.Value)
	case errors.As(err, &mistyped):
		return refuse(http.StatusBadRequest, "bad_field", "%s: is a %s, want a %s", mistyped.Field, mistyped.Value, typeInJSON(mistyped.Type))
	case strings.HasPrefix(err.Error(), unknownField):
		return refuse(http.StatusBadRequest, "unknown_field", "%.100s: no such field", strings.TrimPrefix(err.Error(), unknownField))
	}
	return refuse(http.StatusBadRequest, "broken_json", "the body cannot be read: %.200s", err.Error())
}

func typeInJSON(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	default:
		return "number"
	}
}

// A Field of a body, and whether it was given.
type Field struct {
	Name  string
	Given bool
}

// Require names the first of the fields that is missing.
func Require(fields ...Field) error {
	for _, f := range fields {
		if !f.Given {
			return refuse(http.StatusBadRequest, "missing_field", "%s: is missing", f.Name)
		}
	}
	return nil
}

// BadField refuses a field for what it holds.
func BadField(field, message string, args ...any) error {
	return refuse(http.StatusBadRequest, "bad_field", field+": "+message, args...)
}
