package arch

// A rule says what the packages of one pattern may import of this module. What no rule lists is refused, and so is a
// package that no rule names.
//
// A pattern is a path below the module's root. "*" stands for one element; "{x}" does too, and stands for the same one in
// the allowed patterns of its rule; a last "/..." takes in the package itself and everything below it.
type rule struct {
	packages string
	may      []string
}

// everyPart is what app sees: all the parts that it wires.
var everyPart = []string{
	"fault", "proto/...",
	"bus/...", "store/...", "coord/...",
	"platform/...", "adapters/...", "kernel/...", "gateway/...", "services/...", "console/...",
	"internal/rabbitmq",
}

// The import table of the design. The first rule whose pattern matches a package is its rule.
var table = []rule{
	{"fault", nil},
	{"proto/...", []string{"proto/..."}},

	// Portable packages with drivers below them.
	{"bus", []string{"bus/driver", "fault"}},
	{"bus/driver", []string{"fault"}},
	{"bus/drivertest", []string{"bus", "bus/driver", "fault"}},
	{"bus/{product}/...", []string{"bus/{product}/...", "bus", "bus/driver", "fault"}},
	{"store", []string{"store/driver", "fault"}},
	{"store/driver", []string{"fault"}},
	{"store/drivertest", []string{"store", "store/driver", "fault"}},
	{"store/{product}/...", []string{"store/{product}/...", "store", "store/driver", "fault"}},
	{"coord", []string{"coord/driver", "fault"}},
	{"coord/driver", []string{"fault"}},
	{"coord/drivertest", []string{"coord", "coord/driver", "fault"}},
	{"coord/{product}/...", []string{"coord/{product}/...", "coord", "coord/driver", "fault"}},

	// The library for service authors: never a driver, never the kernel. Its test kit may implement the driver interface,
	// to run a service in memory.
	{"platform/platformtest/...", []string{"platform/...", "bus", "bus/driver", "proto/...", "fault"}},
	{"platform/...", []string{"platform/...", "bus", "proto/...", "fault"}},
	{"adapters", []string{"platform/...", "fault"}},
	{"adapters/{adapter}/...", []string{"adapters/{adapter}/...", "adapters", "platform/...", "fault"}},

	// The parts of a running platform call each other over the bus, never directly.
	{"kernel/binding/...", []string{"kernel/binding/...", "platform/...", "bus", "store", "coord", "proto/...", "fault"}},
	{"kernel/{service}/...", []string{"kernel/{service}/...", "platform/...", "store", "coord", "proto/...", "fault"}},
	{"gateway/rules", nil},
	{"gateway/...", []string{"gateway/...", "platform/...", "proto/...", "fault"}},

	// The business as a whole, for the tests that run all of it in memory.
	{"services", []string{"services/..."}},

	// The simulated drivers and customers know only what a phone knows: the public HTTP API.
	{"services/sim/...", []string{"services/sim/...", "proto/...", "fault"}},

	// The API tier has a folder for each version, whose services share edge: reading requests, and nothing of each other.
	{"services/api/{version}/edge", []string{"platform/...", "adapters/...", "proto/...", "fault"}},
	{"services/api/{version}/{service}/...", []string{
		"services/api/{version}/{service}/...", "services/api/{version}/edge", "platform/...", "adapters/...", "proto/...", "fault",
	}},
	{"services/{tier}/{service}/...", []string{
		"services/{tier}/{service}/...", "platform/...", "adapters/...", "proto/...", "fault",
	}},

	// The wiring, and what stands above it.
	{"app/...", append([]string{"app/..."}, everyPart...)},
	{"cli/...", append([]string{"cli/...", "app/..."}, everyPart...)},
	{"env/...", append([]string{"env/...", "app/..."}, everyPart...)},
	{"e2e/...", append([]string{"e2e/...", "app/..."}, everyPart...)},
	{"release/...", append([]string{"release/...", "app/..."}, everyPart...)},
	{"cmd/hansom", []string{"cli"}},
	{"cmd/protoc-gen-hansom/...", []string{"cmd/protoc-gen-hansom/...", "proto/..."}},
	{"internal/arch", nil},
	{"internal/engine", nil},
	{"internal/rabbitmq", []string{"internal/engine"}},
	{"exchange", nil},
	{"internal/haproxy", []string{"internal/engine", "deploy/haproxy"}},
	{"deploy/haproxy", nil},
}

// inTests is what a _test.go file of any package may import besides what its package may: the test kits, the real engines
// to run against, and the whole platform. Siblings stay refused: a test of one kernel service reaches another over the bus.
var inTests = []string{
	"bus/...", "store/...", "coord/...",
	"platform/...",
	"adapters/adaptertest",
	"app/...",
	"internal/engine", "internal/rabbitmq", "internal/haproxy",
	"proto/...", "fault",
}

// testKits are packages made for tests. Only tests, and other kits, import them.
var testKits = []string{"*/drivertest", "coord/memcoord", "store/memstore", "platform/platformtest/...", "adapters/adaptertest"}

// An engine comes as a client library that only its drivers, the wiring that embeds it, and what stands above the wiring may
// import. Everything else must neither import it, in tests neither, nor depend on it through others.
type engine struct {
	name   string
	prefix string // of its packages' paths
	above  []string
}

var engines = []engine{
	{"NATS", "github.com/nats-io/", append([]string{"bus/natsbus/...", "coord/natscoord/..."}, aboveEngines...)},
	{"SQLite", "modernc.org/", append([]string{"store/sqlitestore/..."}, aboveEngines...)},
	{"RabbitMQ", "github.com/rabbitmq/", append([]string{"bus/rabbitbus/...", "exchange/...", "internal/rabbitmq/...", "internal/haproxy/..."}, aboveEngines...)},
}

var aboveEngines = []string{"app/...", "cli/...", "cmd/hansom", "env/...", "e2e/...", "release/..."}

// longFunctions may pass maxFunctionLines, each for a reason given here. The key is "package.Function" or
// "package.Type.Method".
var longFunctions = map[string]string{}

// maxFunctionLines counts from the line of "func" to that of the closing brace.
const maxFunctionLines = 80
