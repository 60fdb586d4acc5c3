package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/hansom-platform/hansom/fault"
)

// Decode reads the value at key, an object as a rule, into what the pointer points
// to, by the rules of encoding/json but for these: a member that has no field is an
// error, and a time.Duration is written as "50ms". Where there is no value, and for
// members that are missing, what was there stays, so that defaults are filled in
// before. After an error the contents are undefined. Errors are faults, BadRequest,
// and show no values.
func (v *Values) Decode(key string, into any) error {
	value := v.current.Load().at(key)
	if value == nil {
		return nil
	}
	target := reflect.TypeOf(into)
	if target == nil || target.Kind() != reflect.Pointer || reflect.ValueOf(into).IsNil() {
		return fault.New(fault.Internal, "platform.config.target", "the configuration at %s cannot be decoded into a %T: it takes a pointer", name(key), into)
	}
	value, err := nanoseconds(value, target.Elem(), key)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fault.New(fault.Internal, "platform.config.encode", "the configuration at %s cannot be written as JSON", name(key))
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return decodeFault(key, err)
	}
	return nil
}

// name is how errors call a key.
func name(key string) string {
	if key == "" {
		return "its root"
	}
	return key
}

// decodeFault says what was wrong without the texts that would show a value.
func decodeFault(key string, err error) error {
	what := "a type refuses its value, which is not shown"
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch):
		got, _, _ := strings.Cut(mismatch.Value, " ") // "number 300" has the value
		what = strings.Trim(mismatch.Field+" takes a "+mismatch.Type.String()+" and has a "+got, " ")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		what = "there is no setting " + strings.TrimPrefix(err.Error(), "json: unknown field ")
	}
	return fault.New(fault.BadRequest, "platform.config.decode",
		"the configuration at %s cannot be used: %s; `hansom config explain` tells which document sets it", name(key), what)
}

var (
	durationType    = reflect.TypeFor[time.Duration]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
)

// nanoseconds returns value with the durations replaced by what encoding/json reads
// for a time.Duration, wherever the type to be decoded into has one.
func nanoseconds(value any, t reflect.Type, path string) (any, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == durationType {
		return durationNumber(value, path)
	}
	if reflect.PointerTo(t).Implements(unmarshalerType) {
		return value, nil
	}
	switch value := value.(type) {
	case map[string]any:
		return membersNanoseconds(value, t, path)
	case []any:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return value, nil
		}
		out := make([]any, len(value))
		for i, element := range value {
			var err error
			if out[i], err = nanoseconds(element, t.Elem(), path+"."+strconv.Itoa(i)); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return value, nil
}

func membersNanoseconds(members map[string]any, t reflect.Type, path string) (any, error) {
	out := make(map[string]any, len(members))
	for member, value := range members {
		if inner := memberType(t, member); inner != nil {
			var err error
			if value, err = nanoseconds(value, inner, strings.TrimPrefix(path+"."+member, ".")); err != nil {
				return nil, err
			}
		}
		out[member] = value
	}
	return out, nil
}

// memberType returns the type that a member is decoded into, nil where it is
// unknown.
func memberType(t reflect.Type, member string) reflect.Type {
	switch t.Kind() {
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		return fieldType(t, member)
	}
	return nil
}

// fieldType finds a field as encoding/json does: by its exact name, else in
// whatever case.
func fieldType(t reflect.Type, member string) reflect.Type {
	var folded reflect.Type
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Tag.Get("json") == "-" || f.Anonymous && tag == "" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		if tag == member {
			return f.Type
		}
		if folded == nil && strings.EqualFold(tag, member) {
			folded = f.Type
		}
	}
	return folded
}

func durationNumber(value any, path string) (any, error) {
	if value == nil {
		return nil, nil
	}
	if text, ok := value.(string); ok {
		if d, err := time.ParseDuration(text); err == nil {
			return json.Number(strconv.FormatInt(int64(d), 10)), nil
		}
	}
	return nil, fault.New(fault.BadRequest, "platform.config.decode",
		"the configuration at %s cannot be used: it takes a duration such as \"50ms\" and has %s; `hansom config explain` tells which document sets it", name(path), kindOf(value))
}
