package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// A tree is the Go source of one module.
type tree struct {
	module string
	fset   *token.FileSet
	files  []file
}

// A file is one source file. Its package is a path below the module's root, "." for the root itself.
type file struct {
	pkg    string
	path   string
	test   bool
	syntax *ast.File
}

// readTree parses every Go file of the module at the root of src, leaving out nested modules and what the go command
// leaves out. A file with faults counts as far as it parses: the compiler reports the rest.
func readTree(src fs.FS) (*tree, error) {
	gomod, err := fs.ReadFile(src, "go.mod")
	if err != nil {
		return nil, err
	}
	t := &tree{module: modulePath(gomod), fset: token.NewFileSet()}
	err = fs.WalkDir(src, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && outside(src, name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return t.add(src, name)
	})
	return t, err
}

func (t *tree) add(src fs.FS, name string) error {
	text, err := fs.ReadFile(src, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if syntax == nil {
		return err
	}
	t.files = append(t.files, file{
		pkg: path.Dir(name), path: name, test: strings.HasSuffix(name, "_test.go"), syntax: syntax,
	})
	return nil
}

func outside(src fs.FS, dir string) bool {
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := fs.Stat(src, path.Join(dir, "go.mod"))
	return err == nil
}

func modulePath(gomod []byte) string {
	for line := range bytes.Lines(gomod) {
		if name, ok := strings.CutPrefix(string(line), "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}

// imports returns what f imports, in the order of writing.
func (f file) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// ours returns the path of an import below the module's root.
func (t *tree) ours(imported string) (string, bool) {
	if imported == t.module {
		return ".", true
	}
	return strings.CutPrefix(imported, t.module+"/")
}

// packages returns every package of the tree, sorted.
func (t *tree) packages() []string {
	var names []string
	for _, f := range t.files {
		names = append(names, f.pkg)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

const root = "../.."

// repository reads the module that this package is part of.
func repository(t *testing.T) *tree {
	t.Helper()
	repo, err := readTree(os.DirFS(root))
	if err != nil {
		t.Fatalf("read the repository: %v", err)
	}
	return repo
}

// example makes a tree of the given files, in the module "m".
func example(t *testing.T, files map[string]string) *tree {
	t.Helper()
	src := fstest.MapFS{"go.mod": {Data: []byte("module m\n\ngo 1.26\n")}}
	for name, text := range files {
		src[name] = &fstest.MapFile{Data: []byte(text)}
	}
	made, err := readTree(src)
	if err != nil {
		t.Fatalf("read the example: %v", err)
	}
	return made
}

// report fails the test once for each fault that a check found.
func report(t *testing.T, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
}

// wantOneFault checks that a check finds exactly one fault and that it speaks of all that is given.
func wantOneFault(t *testing.T, faults []string, speaksOf ...string) {
	t.Helper()
	if len(faults) != 1 {
		t.Fatalf("want one fault, got %d: %q", len(faults), faults)
	}
	for _, s := range speaksOf {
		if !strings.Contains(faults[0], s) {
			t.Errorf("want a fault that speaks of %q, got %q", s, faults[0])
		}
	}
}

// The checks prove nothing about files they never see.
func TestTheRepositoryIsRead(t *testing.T) {
	repo := repository(t)
	if want := "github.com/hansom-platform/hansom"; repo.module != want {
		t.Errorf("want module %s, got %s", want, repo.module)
	}
	for _, want := range []string{"fault", "internal/arch"} {
		if got := repo.packages(); !slices.Contains(got, want) {
			t.Errorf("want package %s among the packages read, got %q", want, got)
		}
	}
}

func TestNestedModulesAreLeftOut(t *testing.T) {
	made := example(t, map[string]string{
		"fault/fault.go":              "package fault",
		"fault/testdata/data.go":      "package data",
		"bench/go.mod":                "module m/bench",
		"bench/load/load.go":          "package load",
		".tools/x.go":                 "package x",
		"console/node_modules/y/y.go": "package y",
	})
	if got, want := made.packages(), []string{"fault"}; !slices.Equal(got, want) {
		t.Errorf("want packages %q, got %q", want, got)
	}
}
