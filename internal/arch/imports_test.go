package arch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	report(t, checkImports(repository(t), table))
}

// checkImports finds the imports of this module's packages that the rules do not allow, and the packages without a rule.
func checkImports(t *tree, rules []rule) []string {
	var faults []string
	for _, pkg := range t.packages() {
		if _, _, ok := ruleFor(rules, pkg); !ok {
			faults = append(faults, fmt.Sprintf(
				"package %s: no rule says what it may import (give it one in internal/arch/table_test.go)", pkg))
		}
	}
	for _, f := range t.files {
		r, known, ok := ruleFor(rules, f.pkg)
		if !ok {
			continue
		}
		for _, imported := range f.imports() {
			name, ours := t.ours(imported)
			if ours && !allowed(f, r, known, name) {
				faults = append(faults, fmt.Sprintf(
					"%s: imports %s; the rule for %s allows %s", f.path, name, r.packages, list(r.may)))
			}
		}
	}
	return faults
}

func allowed(f file, r rule, known captures, name string) bool {
	switch {
	case name == f.pkg && f.test: // an external test of its own package
		return true
	case f.test:
		return matchAny(r.may, name, known) || matchAny(inTests, name, nil)
	case matchAny(testKits, name, nil):
		return matchAny(testKits, f.pkg, nil)
	}
	return matchAny(r.may, name, known)
}

func list(patterns []string) string {
	if len(patterns) == 0 {
		return "nothing of ours"
	}
	return strings.Join(patterns, ", ")
}

func TestImportTable(t *testing.T) {
	for _, c := range []struct {
		from, imports string
		want          bool
	}{
		{"fault/f.go", "proto/taxi/eta", false},
		{"fault/f_test.go", "fault", true},
		{"proto/taxi/eta/e.go", "proto/hansom", true},
		{"proto/taxi/eta/e.go", "fault", false},

		{"bus/b.go", "bus/driver", true},
		{"bus/b.go", "bus/natsbus", false},
		{"bus/b_test.go", "bus/natsbus", true},
		{"bus/driver/d.go", "bus", false},
		{"bus/drivertest/d.go", "bus/natsbus", false},
		{"bus/natsbus/n.go", "bus", true},
		{"bus/natsbus/n.go", "bus/rabbitbus", false},
		{"bus/natsbus/n.go", "bus/drivertest", false},
		{"bus/natsbus/n_test.go", "bus/drivertest", true},
		{"bus/natsbus/n.go", "coord", false},
		{"coord/natscoord/n.go", "bus/natsbus", false},
		{"store/sqlitestore/s.go", "store/driver", true},

		{"platform/p.go", "bus", true},
		{"platform/p.go", "bus/driver", false},
		{"platform/p.go", "bus/natsbus", false},
		{"platform/p.go", "kernel/discovery", false},
		{"platform/p.go", "platform/platformtest", false},
		{"platform/platformtest/p.go", "bus/driver", true},
		{"adapters/sms/s.go", "platform", true},
		{"adapters/sms/s.go", "adapters/email", false},
		{"adapters/sms/s.go", "bus", false},

		{"kernel/binding/b.go", "bus", true},
		{"kernel/discovery/d.go", "bus", false},
		{"kernel/discovery/d.go", "coord", true},
		{"kernel/discovery/d.go", "coord/natscoord", false},
		{"kernel/discovery/d.go", "kernel/binding", false},
		{"kernel/discovery/d_test.go", "kernel/binding", false},
		{"kernel/discovery/d_test.go", "app", true},
		{"kernel/binding/b.go", "kernel/binding/plan", true},
		{"gateway/g.go", "gateway/rules", true},
		{"gateway/g.go", "coord", false},
		{"gateway/rules/r.go", "fault", false},

		{"services/core/eta/e.go", "services/core/eta/model", true},
		{"services/core/eta/e.go", "services/core/routing", false},
		{"services/core/eta/e_test.go", "services/core/routing", false},
		{"services/core/eta/e_test.go", "platform/platformtest", true},
		{"services/core/eta/e.go", "bus", false},
		{"services/api/v1/customer/c.go", "services/api/v1/edge", true},
		{"services/api/v1/customer/c.go", "services/api/v1/customer/view", true},
		{"services/api/v1/customer/c.go", "services/api/v1/driver", false},
		{"services/api/v1/customer/c_test.go", "services/api/v1/driver", false},
		{"services/api/v2/customer/c.go", "services/api/v1/edge", false},
		{"services/api/v1/edge/e.go", "services/api/v1/driver", false},
		{"services/sim/s.go", "services/sim/city", true},
		{"services/sim/s.go", "platform", false},

		{"app/a.go", "bus/natsbus", true},
		{"app/a.go", "cli", false},
		{"app/a.go", "bus/drivertest", false},
		{"cli/traffic/t.go", "app", true},
		{"cli/traffic/t.go", "kernel/binding", true},
		{"cmd/hansom/main.go", "cli", true},
		{"cmd/hansom/main.go", "app", false},
		{"cmd/protoc-gen-hansom/main.go", "proto/hansom", true},
		{"cmd/protoc-gen-hansom/main.go", "platform", false},
		{"internal/clock/c.go", "fault", false}, // no rule
	} {
		made := example(t, map[string]string{c.from: fmt.Sprintf("package p\n\nimport _ %q\n", "m/"+c.imports)})
		faults := checkImports(made, table)
		if got := len(faults) == 0; got != c.want {
			t.Errorf("%s imports %s: want allowed %v, got %v %q", c.from, c.imports, c.want, got, faults)
		}
	}
}

func TestARefusedImportIsExplained(t *testing.T) {
	made := example(t, map[string]string{"platform/p.go": "package platform\n\nimport \"m/bus/natsbus\"\n"})
	wantOneFault(t, checkImports(made, table), "platform/p.go", "bus/natsbus", "platform/..., bus, proto/..., fault")
}

func TestAPackageWithoutARuleIsAFault(t *testing.T) {
	made := example(t, map[string]string{"util/strings.go": "package util\n"})
	wantOneFault(t, checkImports(made, table), "package util", "table_test.go")
}

// clientsOfOneLibrary each wrap one outside system, and so use one client library.
var clientsOfOneLibrary = []string{"bus/{product}/...", "store/{product}/...", "coord/{product}/...", "adapters/{adapter}/..."}

// generalLibraries are no client of an outside system.
var generalLibraries = []string{
	"github.com/google/uuid", "go.opentelemetry.io", "golang.org/x", "google.golang.org/protobuf",
}

func TestADriverUsesOneClientLibrary(t *testing.T) {
	report(t, checkOneLibrary(repository(t)))
}

// checkOneLibrary finds packages with more than one client library. Modules of one publisher count as one library.
func checkOneLibrary(t *tree) []string {
	used := map[string][]string{}
	for _, f := range t.files {
		if f.test || !matchAny(clientsOfOneLibrary, f.pkg, nil) || matchAny(testKits, f.pkg, nil) {
			continue
		}
		for _, imported := range f.imports() {
			if lib := t.library(imported); lib != "" && !slices.Contains(used[f.pkg], lib) {
				used[f.pkg] = append(used[f.pkg], lib)
			}
		}
	}
	var faults []string
	for _, pkg := range t.packages() {
		if libs := used[pkg]; len(libs) > 1 {
			faults = append(faults, fmt.Sprintf("package %s: wants one client library, uses %s", pkg, strings.Join(libs, ", ")))
		}
	}
	return faults
}

// library returns the host and publisher of an imported package, empty where it is ours, general or the standard library's.
func (t *tree) library(imported string) string {
	host, rest, _ := strings.Cut(imported, "/")
	if _, ours := t.ours(imported); ours || !strings.Contains(host, ".") {
		return ""
	}
	if slices.ContainsFunc(generalLibraries, func(lib string) bool {
		return imported == lib || strings.HasPrefix(imported, lib+"/")
	}) {
		return ""
	}
	publisher, _, _ := strings.Cut(rest, "/")
	return host + "/" + publisher
}

func TestASecondClientLibraryIsAFault(t *testing.T) {
	made := example(t, map[string]string{
		"bus/natsbus/n.go": "package natsbus\n\nimport (\n\"fmt\"\n\"m/bus\"\n\"github.com/nats-io/nats.go\"\n" +
			"\"github.com/nats-io/nats.go/jetstream\"\n\"github.com/rabbitmq/amqp091-go\"\n\"github.com/google/uuid\"\n)\n",
	})
	wantOneFault(t, checkOneLibrary(made), "bus/natsbus", "github.com/nats-io, github.com/rabbitmq")
}
