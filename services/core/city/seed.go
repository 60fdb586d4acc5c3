package city

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed cities/*.json
var embedded embed.FS

//go:embed city.schema.json
var schema []byte

// Seed returns the configuration documents, by id, that a new environment starts
// with: the cities of the demo, and the schema of all city documents. It panics when
// they cannot be read: that is a mistake in the program.
func Seed() map[string][]byte {
	documents := map[string][]byte{"schema/city": schema}
	names, err := fs.Glob(embedded, "cities/*.json")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		text, err := embedded.ReadFile(name)
		if err != nil {
			panic(err)
		}
		documents[prefix+strings.TrimSuffix(path.Base(name), ".json")] = text
	}
	return documents
}
