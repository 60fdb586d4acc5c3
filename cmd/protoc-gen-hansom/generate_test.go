package main

import (
	"flag"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/emptypb" // the contracts in testdata import it
	"google.golang.org/protobuf/types/pluginpb"

	_ "github.com/hansom-platform/hansom/proto/kernel/binding"
	_ "github.com/hansom-platform/hansom/proto/kernel/config"
	_ "github.com/hansom-platform/hansom/proto/kernel/discovery"
	_ "github.com/hansom-platform/hansom/proto/kernel/login"
	_ "github.com/hansom-platform/hansom/proto/taxi/city"
	_ "github.com/hansom-platform/hansom/proto/taxi/eta"
	_ "github.com/hansom-platform/hansom/proto/taxi/neardrivers"
	_ "github.com/hansom-platform/hansom/proto/taxi/profile"
	_ "github.com/hansom-platform/hansom/proto/taxi/routing"
	_ "github.com/hansom-platform/hansom/proto/taxi/state"
)

var update = flag.Bool("update", false, "write what is generated into testdata")

// TestGenerate runs the contracts in testdata, each with the code or the error that
// it leads to.
func TestGenerate(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("testdata/*.txtar: want cases, got %v, %v", cases, err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { testCase(t, name) })
	}
}

const (
	partContract = "contract.txtpb" // a google.protobuf.FileDescriptorProto
	partCode     = "want.go"
	partError    = "error"
)

func testCase(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range archive.Files {
		parts[f.Name] = string(f.Data)
	}
	contract := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(parts[partContract]), contract); err != nil {
		t.Fatalf("%s: %s: %v", name, partContract, err)
	}
	got := map[string]string{partContract: parts[partContract]}
	if files, err := generated(t, contract); err != nil {
		got[partError] = err.Error() + "\n"
	} else {
		got[partCode] = strings.Join(slices.Collect(maps.Values(files)), "\n")
	}
	if *update {
		writeCase(t, name, archive.Comment, got)
	} else if diff := cmp.Diff(parts, got); diff != "" {
		t.Errorf("%s, want (-) and got (+); go test -update writes what is generated now:\n%s", name, diff)
	}
}

func writeCase(t *testing.T, name string, comment []byte, parts map[string]string) {
	archive := &txtar.Archive{Comment: comment}
	for _, part := range []string{partContract, partCode, partError} {
		if data, ok := parts[part]; ok {
			archive.Files = append(archive.Files, txtar.File{Name: part, Data: []byte(data)})
		}
	}
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// generated runs the plugin on files, whose imports are compiled into this test, and
// returns what it writes by path.
func generated(t *testing.T, files ...*descriptorpb.FileDescriptorProto) (map[string]string, error) {
	t.Helper()
	set := &fileSet{seen: map[string]bool{}}
	request := new(pluginpb.CodeGeneratorRequest)
	for _, f := range files {
		for _, name := range f.GetDependency() {
			set.add(t, name)
		}
		if !set.seen[f.GetName()] {
			set.seen[f.GetName()] = true
			set.files = append(set.files, f)
		}
		request.FileToGenerate = append(request.FileToGenerate, f.GetName())
	}
	request.ProtoFile, request.Parameter = set.files, proto.String("paths=source_relative")
	plugin, err := protogen.Options{}.New(request)
	if err != nil {
		t.Fatalf("the contract is none: %v", err)
	}
	if err := run(plugin); err != nil {
		return nil, err
	}
	response := plugin.Response()
	if response.Error != nil {
		t.Fatalf("the generated code is no Go: %s", response.GetError())
	}
	code := map[string]string{}
	for _, f := range response.GetFile() {
		code[f.GetName()] = f.GetContent()
	}
	return code, nil
}

// fileSet holds files after those that they import, as the plugin wants them.
type fileSet struct {
	seen  map[string]bool
	files []*descriptorpb.FileDescriptorProto
}

func (s *fileSet) add(t *testing.T, name string) {
	t.Helper()
	if s.seen[name] {
		return
	}
	s.seen[name] = true
	f, err := protoregistry.GlobalFiles.FindFileByPath(name)
	if err != nil {
		t.Fatalf("import of %s, which is not compiled into this test: %v", name, err)
	}
	for i := range f.Imports().Len() {
		s.add(t, f.Imports().Get(i).Path())
	}
	s.files = append(s.files, protodesc.ToFileDescriptorProto(f))
}

// TestCheckedIn compares every generated file in proto with what its contract
// leads to now, but for comments, which compiled contracts have not.
func TestCheckedIn(t *testing.T) {
	const root = "../../proto"
	want := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".hansom.go") {
			return err
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		want[path] = withoutComments(t, path, string(text))
		return err
	})
	if err != nil || len(want) == 0 {
		t.Fatalf("%s: want generated files, got %d, %v", root, len(want), err)
	}
	got, err := generated(t, contracts()...)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range got {
		got[path] = withoutComments(t, path, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checked in (-) and generated now (+), mend it with make generate:\n%s", diff)
	}
}

// contracts are those of ours that have services and are compiled into this test.
func contracts() []*descriptorpb.FileDescriptorProto {
	var all []*descriptorpb.FileDescriptorProto
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		m := protodesc.ToFileDescriptorProto(f)
		if strings.HasPrefix(m.GetOptions().GetGoPackage(), "github.com/hansom-platform/hansom/proto/") && f.Services().Len() > 0 {
			all = append(all, m)
		}
		return true
	})
	return all
}

// withoutComments leaves out empty lines too: some part comments.
func withoutComments(t *testing.T, path, text string) string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	if err := format.Node(&code, files, parsed); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(code.String(), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return line == "" }), "\n")
}
