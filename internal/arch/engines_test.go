package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestEnginesAreImportedByTheirDriversOnly(t *testing.T) {
	made := repository(t)
	for _, e := range engines {
		report(t, e.checkImports(made))
	}
}

func (e engine) checkImports(t *tree) []string {
	var faults []string
	for _, f := range t.files {
		if matchAny(e.above, f.pkg, nil) {
			continue
		}
		for _, imported := range f.imports() {
			if strings.HasPrefix(imported, e.prefix) {
				faults = append(faults, fmt.Sprintf("%s: imports %s; only %s may", f.path, imported, list(e.above)))
			}
		}
	}
	return faults
}

func TestImportingAnEngineIsAFault(t *testing.T) {
	const nats = "package p\n\nimport _ \"github.com/nats-io/nats.go\"\n"
	const sqlite = "package p\n\nimport _ \"modernc.org/sqlite\"\n"
	made := example(t, map[string]string{
		"bus/natsbus/n.go":          nats,
		"coord/natscoord/n.go":      nats,
		"app/embedded/e_test.go":    nats,
		"platform/p_test.go":        nats,
		"store/sqlitestore/s.go":    sqlite,
		"app/a.go":                  sqlite,
		"kernel/config/c_test.go":   sqlite,
		"store/cassandrastore/c.go": "package p\n",
	})
	wantOneFault(t, engines[0].checkImports(made), "platform/p_test.go", "nats.go")
	wantOneFault(t, engines[1].checkImports(made), "kernel/config/c_test.go", "modernc.org/sqlite")
}

func TestNothingElseDependsOnAnEngine(t *testing.T) {
	module := repository(t).module
	imports := importGraph(t)
	if len(imports[module+"/internal/arch"]) == 0 && len(imports[module+"/fault"]) == 0 {
		t.Fatalf("want an import graph that holds %s/fault, got %d packages without it", module, len(imports))
	}
	for _, e := range engines {
		report(t, e.checkDependencies(module, imports))
	}
}

// checkDependencies finds packages that depend on the engine through others, each with one way that leads there.
func (e engine) checkDependencies(module string, imports map[string][]string) []string {
	var faults []string
	for pkg := range imports {
		name, ours := strings.CutPrefix(pkg, module+"/")
		if !ours || matchAny(e.above, name, nil) {
			continue
		}
		if way := wayTo(imports, pkg, e.prefix); way != nil {
			faults = append(faults, fmt.Sprintf("package %s depends on %s: %s", name, e.name, strings.Join(way, " -> ")))
		}
	}
	slices.Sort(faults)
	return faults
}

// wayTo returns a shortest chain of imports from one package to any whose path begins with prefix, nil if there is none.
func wayTo(imports map[string][]string, from, prefix string) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		pkg := queue[0]
		if strings.HasPrefix(pkg, prefix) {
			var way []string
			for ; pkg != ""; pkg = cameFrom[pkg] {
				way = append(way, pkg)
			}
			slices.Reverse(way)
			return way
		}
		for _, next := range imports[pkg] {
			if _, seen := cameFrom[next]; !seen {
				cameFrom[next] = pkg
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// importGraph asks the go command what every package of the module, and every package below it, imports on this system,
// tests left out.
func importGraph(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, complaints.String())
	}
	graph := map[string][]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return graph
		} else if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		graph[pkg.ImportPath] = pkg.Imports
	}
}

func TestDependingOnAnEngineIsAFault(t *testing.T) {
	made := map[string][]string{
		"m/kernel/binding":  {"m/platform", "m/coord"},
		"m/platform":        {"m/bus"},
		"m/coord":           {"m/coord/natscoord"},
		"m/coord/natscoord": {"github.com/nats-io/nats.go"},
		"m/app":             {"m/kernel/binding"},
	}
	faults := engines[0].checkDependencies("m", made)
	want := []string{
		"package coord depends on NATS: m/coord -> m/coord/natscoord -> github.com/nats-io/nats.go",
		"package kernel/binding depends on NATS: m/kernel/binding -> m/coord -> m/coord/natscoord -> github.com/nats-io/nats.go",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("want %q, got %q", want, faults)
	}
}
