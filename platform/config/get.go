package config

import (
	"context"
	"encoding/json"
	"time"
)

// Duration returns the duration at key, which is written as "50ms" or "1h30m" (Go's
// time.ParseDuration).
func (v *Values) Duration(key string, fallback time.Duration) time.Duration {
	s := v.current.Load()
	value := s.at(key)
	if text, ok := value.(string); ok {
		if d, err := time.ParseDuration(text); err == nil {
			return d
		}
	}
	v.complain(s, key, value, `a duration such as "50ms"`)
	return fallback
}

// String returns the string at key.
func (v *Values) String(key, fallback string) string {
	s := v.current.Load()
	value := s.at(key)
	if text, ok := value.(string); ok {
		return text
	}
	v.complain(s, key, value, "a string")
	return fallback
}

// Int returns the whole number at key. 1e3 and 1000.0 are whole, too.
func (v *Values) Int(key string, fallback int) int {
	s := v.current.Load()
	value := s.at(key)
	if number, ok := value.(json.Number); ok {
		if n, ok := wholeNumber(string(number)); ok {
			return n
		}
	}
	v.complain(s, key, value, "a whole number of 64 bits")
	return fallback
}

// Float returns the number at key, as near as a float64 comes.
func (v *Values) Float(key string, fallback float64) float64 {
	s := v.current.Load()
	value := s.at(key)
	if number, ok := value.(json.Number); ok {
		if f, ok := floatNumber(string(number)); ok {
			return f
		}
	}
	v.complain(s, key, value, "a number within float64")
	return fallback
}

// Bool returns the boolean at key.
func (v *Values) Bool(key string, fallback bool) bool {
	s := v.current.Load()
	value := s.at(key)
	if b, ok := value.(bool); ok {
		return b
	}
	v.complain(s, key, value, "true or false")
	return fallback
}

// complain logs that a value is there and is not what is wanted, once for a
// document and key. It does not show the value.
func (v *Values) complain(s *snapshot, key string, value any, want string) {
	if value == nil {
		return
	}
	if _, told := s.warned.LoadOrStore(key, struct{}{}); told {
		return
	}
	v.log().Warn("a value of the configuration is not what it should be, the default is used instead; `hansom config explain` tells which document sets it",
		"key", key, "want", want, "got", kindOf(value), "revision", s.revision)
}

// Duration is FromContext(ctx).Duration.
func Duration(ctx context.Context, key string, fallback time.Duration) time.Duration {
	return FromContext(ctx).Duration(key, fallback)
}

// String is FromContext(ctx).String.
func String(ctx context.Context, key, fallback string) string {
	return FromContext(ctx).String(key, fallback)
}

// Int is FromContext(ctx).Int.
func Int(ctx context.Context, key string, fallback int) int {
	return FromContext(ctx).Int(key, fallback)
}

// Float is FromContext(ctx).Float.
func Float(ctx context.Context, key string, fallback float64) float64 {
	return FromContext(ctx).Float(key, fallback)
}

// Bool is FromContext(ctx).Bool.
func Bool(ctx context.Context, key string, fallback bool) bool {
	return FromContext(ctx).Bool(key, fallback)
}

// Decode is FromContext(ctx).Decode.
func Decode(ctx context.Context, key string, into any) error {
	return FromContext(ctx).Decode(key, into)
}
