package city

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed cities/*.json
var embedded embed.FS

// documents returns the embedded cities by file name without its ending. It
// panics on one that cannot be read: that is a mistake in the program.
func documents() map[string]City {
	cities, err := read(embedded)
	if err != nil {
		panic(err)
	}
	return cities
}

func read(files fs.FS) (map[string]City, error) {
	names, err := fs.Glob(files, "cities/*.json")
	if err != nil {
		return nil, err
	}
	cities := map[string]City{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		city, err := decode(text)
		if err != nil {
			return nil, fmt.Errorf("city document %s: %w", name, err)
		}
		cities[strings.TrimSuffix(path.Base(name), ".json")] = city
	}
	return cities, nil
}

func decode(text []byte) (City, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var city City
	err := decoder.Decode(&city)
	return city, err
}
