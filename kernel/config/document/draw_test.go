package document_test

import (
	"encoding/json"
	"strconv"

	"pgregory.net/rapid"
)

// drawObject draws an object of few names, so that two of them meet.
func drawObject(t *rapid.T, label string) map[string]any {
	return draw(t, label, 3, true).(map[string]any)
}

// drawPlain draws an object without null.
func drawPlain(t *rapid.T, label string) map[string]any {
	return draw(t, label, 3, false).(map[string]any)
}

func draw(t *rapid.T, label string, depth int, nulls bool) any {
	made := map[string]any{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d/e", "~"}), 0, 4, rapid.ID).Draw(t, label) {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		switch {
		case kind <= 1 && depth > 0:
			made[name] = draw(t, label, depth-1, nulls)
		case kind == 2:
			made[name] = []any{json.Number("1"), rapid.String().Draw(t, "element")}
		case kind == 3 && nulls:
			made[name] = nil
		case kind == 4:
			made[name] = rapid.Bool().Draw(t, "bool")
		case kind == 5:
			made[name] = rapid.String().Draw(t, "string")
		default:
			made[name] = json.Number(strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "number")))
		}
	}
	return made
}
