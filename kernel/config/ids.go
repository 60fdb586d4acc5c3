package config

import (
	"regexp"
	"strings"

	"github.com/hansom-platform/hansom/fault"
	configpb "github.com/hansom-platform/hansom/proto/kernel/config"
)

// Ids are words with "/" between them. Those of layers are
//
//	base, base/<service>, region/<r>, region/<r>/<service>, env/<e>, env/<e>/<service>
//
// and are compiled in this order. schema/<name> holds a schema. All others stand apart.
const (
	idBase       = "base"
	idRegion     = "region"
	idEnv        = "env"
	prefixSchema = "schema/"

	maxID = 200
)

var (
	word    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	service = regexp.MustCompile(`^(api|orchestration|core|kernel)(\.[a-z][a-z0-9]*)+$`)
)

// checkID tells whether a document may have this id.
func checkID(id string) error {
	words := strings.Split(id, "/")
	for _, w := range words {
		if !word.MatchString(w) || len(id) > maxID {
			return badID(id, `an id is words of letters, digits and ". _ -" with "/" in between, %d bytes at most`, maxID)
		}
	}
	var named []string // what follows the kind of the layer
	switch kind := words[0]; kind {
	case idBase:
		named = append([]string{""}, words[1:]...)
	case idRegion, idEnv:
		if named = words[1:]; len(named) == 0 {
			return badID(id, "a layer of this kind is %s/<name> or %s/<name>/<service>", kind, kind)
		}
	case "schema":
		if len(words) != 2 {
			return badID(id, "a schema is schema/<name>")
		}
		return nil
	default:
		return nil
	}
	if len(named) > 2 || len(named) == 2 && !service.MatchString(named[1]) {
		return badID(id, "a layer ends with the name of a service, such as core.eta, or names none")
	}
	return nil
}

func badID(id, format string, args ...any) error {
	return fault.New(fault.BadRequest, "kernel.config.id", "document %q: "+format, append([]any{id}, args...)...)
}

// isLayer reports whether the document is part of what services are configured with.
func isLayer(id string) bool {
	kind, _, _ := strings.Cut(id, "/")
	return kind == idBase || kind == idRegion || kind == idEnv
}

func isSchema(id string) bool { return strings.HasPrefix(id, prefixSchema) }

// layerService returns the one service that a layer is for, or "".
func layerService(id string) string {
	words := strings.Split(id, "/")
	switch {
	case words[0] == idBase && len(words) == 2:
		return words[1]
	case (words[0] == idRegion || words[0] == idEnv) && len(words) == 3:
		return words[2]
	}
	return ""
}

// layers returns the ids of the layers to compile, in order.
func (s *server) layers(l *configpb.Layers) ([]string, error) {
	env := l.GetEnvironment()
	if env == "" {
		env = s.config.Environment
	}
	kinds := []string{idBase}
	if l.GetRegion() != "" {
		kinds = append(kinds, idRegion+"/"+l.GetRegion())
	}
	var ids []string
	for _, kind := range append(kinds, idEnv+"/"+env) {
		ids = append(ids, kind)
		if l.GetService() != "" {
			ids = append(ids, kind+"/"+l.GetService())
		}
	}
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
