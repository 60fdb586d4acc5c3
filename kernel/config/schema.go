package config

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/kernel/config/document"
	"github.com/hansom-platform/hansom/kernel/config/history"
)

// schemas judges documents by the schemas of a state: documents schema/<name> of the form
// {"pattern": "city/*", "schema": {...}} (JSON Schema 2020-12, formats asserted). A schema of layers
// judges each layer as it is written, not what is compiled of them.
type schemas struct {
	sealer *sealer

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema // by the canonical text of the schema
}

// maxCompiled bounds the cache: it is emptied when it is full.
const maxCompiled = 1000

func newSchemas(s *sealer) *schemas {
	return &schemas{sealer: s, compiled: map[string]*jsonschema.Schema{}}
}

// rule is one schema document, read.
type rule struct {
	id      string
	pattern string
	schema  *jsonschema.Schema
}

func (r *rule) applies(id string) bool {
	ok, _ := path.Match(r.pattern, id) // the pattern was checked when it was read
	return ok && !isSchema(id)
}

// read reads a schema document.
func (c *schemas) read(id string, v any) (*rule, error) {
	m, _ := v.(map[string]any)
	pattern, ok := m["pattern"].(string)
	schema, there := m["schema"]
	if !ok || !there || len(m) != 2 {
		return nil, badSchema(id, `it must have "pattern", such as "city/*", and "schema", and nothing else`)
	}
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return nil, badSchema(id, fmt.Sprintf(`its pattern %q cannot be read; "*" stands for any text without "/"`, pattern))
	}
	if _, err := document.Reveal(v, func(path []string, _ document.Secret) (any, error) {
		return nil, fmt.Errorf("there is a secret at %s, and schemas are no secret", document.Pointer(path...))
	}); err != nil {
		return nil, badSchema(id, err.Error())
	}
	compiled, err := c.compile(schema)
	if err != nil {
		return nil, badSchema(id, err.Error())
	}
	return &rule{id, pattern, compiled}, nil
}

func badSchema(id, why string) error {
	return fault.New(fault.BadRequest, "kernel.config.bad_schema", "%s is no schema document: %s", id, why)
}

// noRemote refuses whatever is not in the schema itself or a draft of JSON Schema.
type noRemote struct{}

func (noRemote) Load(url string) (any, error) {
	return nil, fmt.Errorf("schemas must not refer to %s: put what it needs into the schema's own $defs", url)
}

func (c *schemas) compile(schema any) (*jsonschema.Schema, error) {
	text := string(document.Encode(schema))
	c.mu.Lock()
	known := c.compiled[text]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	const url = "hansom:///schema"
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseLoader(noRemote{})
	if err := compiler.AddResource(url, schema); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile(url)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.compiled) >= maxCompiled {
		clear(c.compiled)
	}
	c.compiled[text] = compiled
	return compiled, nil
}

// rules returns the schemas of a state.
func (c *schemas) rules(s *history.State) ([]*rule, error) {
	var all []*rule
	for d := range s.All(prefixSchema) {
		if !d.Live() {
			continue
		}
		r, err := c.read(d.ID, d.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// A violation is one thing that a document has against a schema.
type violation struct{ id, path, reason, schema string }

func (v violation) String() string {
	at := ""
	if v.path != "" {
		at = " at " + v.path
	}
	return fmt.Sprintf("%s%s: %s (%s)", v.id, at, v.reason, v.schema)
}

// judge tells whether a state in which these documents were changed satisfies its schemas. Where a
// schema is among them, all documents that it applies to are judged.
func (c *schemas) judge(s *history.State, changed []history.Edit) error {
	rules, err := c.rules(s)
	if err != nil {
		return err
	}
	var found []violation
	for _, r := range rules {
		for _, d := range subjects(s, r, changed) {
			v, err := c.check(r, d)
			if err != nil {
				return err
			}
			found = append(found, v...)
		}
	}
	return refusal(found)
}

// subjects returns the documents that a rule has to be asked about.
func subjects(s *history.State, r *rule, changed []history.Edit) []*history.Document {
	var all []*history.Document
	if slices.ContainsFunc(changed, func(e history.Edit) bool { return e.ID == r.id }) {
		for d := range s.All("") {
			if d.Live() && r.applies(d.ID) {
				all = append(all, d)
			}
		}
		return all
	}
	for _, e := range changed {
		if d := s.Get(e.ID); d.Live() && r.applies(e.ID) {
			all = append(all, d)
		}
	}
	return all
}

// maxShown bounds how many violations a refusal lists.
const maxShown = 20

func refusal(found []violation) error {
	if len(found) == 0 {
		return nil
	}
	var text []string
	for _, v := range found[:min(len(found), maxShown)] {
		text = append(text, v.String())
	}
	if more := len(found) - maxShown; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return fault.New(fault.BadRequest, "kernel.config.schema", "%s", strings.Join(text, "; "))
}

// check judges one document, its secrets as what they are.
func (c *schemas) check(r *rule, d *history.Document) ([]violation, error) {
	plain, err := c.sealer.reveal(d.Value, func(document.Secret) bool { return true })
	if err != nil {
		return nil, err
	}
	var invalid *jsonschema.ValidationError
	if err := r.schema.Validate(plain); err == nil {
		return nil, nil
	} else if !errors.As(err, &invalid) {
		return nil, badSchema(r.id, err.Error())
	}
	var found []violation
	for _, reason := range reasons(invalid) {
		v := violation{d.ID, document.Pointer(reason.InstanceLocation...), "", r.id}
		if insideSecret(d.Value, reason.InstanceLocation) {
			v.reason = "the secret is not what the schema wants"
		} else {
			v.reason = reason.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		}
		found = append(found, v)
	}
	return found, nil
}

// reasons returns the innermost errors.
func reasons(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		all = append(all, reasons(cause)...)
	}
	return all
}

// insideSecret reports whether a path leads to a secret or into one.
func insideSecret(v any, path []string) bool {
	for n := 0; n <= len(path); n++ {
		in, ok := document.At(v, path[:n])
		if !ok {
			return false
		}
		if _, ok := in.(document.Secret); ok {
			return true
		}
	}
	return false
}
