package rabbitmq

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// write writes all that the nodes read: the shared secret, plugins, and each one's settings. deploy/rabbitmq has the
// same settings, explained, for a production zone.
func (b *Broker) write() error {
	home := b.path("home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(home, ".erlang.cookie"), []byte(b.state.Cookie), 0o400); err != nil {
		return err
	}
	plugins, err := b.gatherPlugins()
	if err != nil {
		return err
	}
	enabled := fmt.Sprintf("[%s].\n", strings.Join(plugins, ","))
	for _, n := range b.nodes {
		if err := os.MkdirAll(n.dir, 0o700); err != nil {
			return err
		}
		err := errors.Join(
			replaceFile(n.path("enabled_plugins"), []byte(enabled), 0o600),
			replaceFile(n.path("rabbitmq.conf"), []byte(n.settings()), 0o600),
			replaceFile(n.path("rabbitmq-env.conf"), nil, 0o600), // in place of the system's
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) path(name string) string { return filepath.Join(b.config.Dir, name) }

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

// gatherPlugins puts the further plugins into one folder, and returns the names of all that are to be enabled.
func (b *Broker) gatherPlugins() ([]string, error) {
	names := []string{"rabbitmq_management", "rabbitmq_federation", "rabbitmq_federation_management"}
	folder := b.path("plugins")
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	for _, plugin := range b.config.Plugins {
		if err := bring(plugin, folder); err != nil {
			return nil, fmt.Errorf("plugin %s: %w", plugin, err)
		}
		base := strings.TrimSuffix(filepath.Base(plugin), ".ez")
		dash := strings.LastIndex(base, "-")
		if dash < 1 {
			return nil, fmt.Errorf("plugin %s: its name is not NAME-VERSION.ez or NAME-VERSION", plugin)
		}
		names = append(names, base[:dash])
	}
	return names, nil
}

// bring copies a file, so that building another version does not disturb this broker, and links a folder.
func bring(plugin, folder string) error {
	info, err := os.Stat(plugin)
	if err != nil {
		return err
	}
	target := filepath.Join(folder, filepath.Base(plugin))
	if info.IsDir() {
		source, err := filepath.Abs(plugin)
		if err != nil {
			return err
		}
		return os.Symlink(source, target)
	}
	content, err := os.ReadFile(plugin)
	if err != nil {
		return err
	}
	// RabbitMQ boots without a plugin that it cannot read.
	if _, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err != nil {
		return err
	}
	return os.WriteFile(target, content, fs.FileMode(0o600)) //nolint:gosec // the operator names the plugin
}

// settings returns rabbitmq.conf.
func (n *Node) settings() string {
	var conf strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&conf, "%s = %v\n", key, value) }
	set("listeners.tcp.1", n.Address())
	set("management.tcp.ip", "127.0.0.1")
	set("management.tcp.port", n.ports.Management)
	set("management.rates_mode", "none")
	set("default_user", n.broker.state.User)
	set("default_pass", n.broker.state.Password)
	set("cluster_name", n.broker.config.Cluster)
	set("heartbeat", 10)
	set("net_ticktime", 5)
	set("disk_free_limit.absolute", "50MB")
	set("vm_memory_high_watermark.relative", 0.4)
	set("queue_master_locator", "client-local")
	set("log.connection.level", "error")
	set("log.file", n.Log())
	set("log.file.level", "info")
	set("log.file.rotation.size", 10<<20)
	set("log.file.rotation.count", 2)
	set("log.console", true)
	set("log.console.level", "error")
	n.clusterSettings(set)
	return conf.String()
}

// clusterSettings make a cluster on the first boot. The second node asks for the first until it is there. The first is told of
// nobody: discovery holds a lock on all the nodes that it is told of, and each would wait for the other's.
func (n *Node) clusterSettings(set func(key string, value any)) {
	nodes := n.broker.nodes
	if len(nodes) == 1 {
		return
	}
	set("cluster_partition_handling", "autoheal")
	if n == nodes[0] {
		return
	}
	set("cluster_formation.peer_discovery_backend", "classic_config")
	set("cluster_formation.classic_config.nodes.1", nodes[0].name)
	set("cluster_formation.classic_config.nodes.2", n.name)
	set("cluster_formation.discovery_retry_interval", 200)
	set("cluster_formation.discovery_retry_limit", 300)
}

// env returns the whole environment of the node: nothing that this program was started with reaches it but PATH.
func (n *Node) env() []string {
	vm := []string{
		fmt.Sprintf("+S %d", min(runtime.NumCPU(), maxSchedulers)),
		"+stbt u", // several nodes share these cores: a scheduler bound to one would wait while the next is idle
		"+sbwt none +sbwtdcpu none +sbwtdio none",
		"+P 1048576 +t 5000000 +zdbbl 128000",
	}
	vars := map[string]string{
		"PATH":                 os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":                 n.broker.path("home"),
		"LANG":                 "C.UTF-8",
		"ERL_EPMD_PORT":        fmt.Sprint(n.broker.state.Epmd),
		"ERL_EPMD_ADDRESS":     "127.0.0.1",
		"ERL_ZFLAGS":           "-start_epmd false", // the broker runs one: a node's own would outlive it
		"ERL_CRASH_DUMP":       n.path("erl_crash.dump"),
		"ERL_CRASH_DUMP_BYTES": "0",

		"RABBITMQ_NODENAME":             n.name,
		"RABBITMQ_DIST_PORT":            fmt.Sprint(n.ports.Distribution),
		"RABBITMQ_MNESIA_BASE":          n.path("data"),
		"RABBITMQ_LOG_BASE":             n.dir,
		"RABBITMQ_ENABLED_PLUGINS_FILE": n.path("enabled_plugins"),
		"RABBITMQ_PLUGINS_DIR":          n.broker.path("plugins") + ":" + filepath.Join(n.broker.home, "plugins"),
		"RABBITMQ_CONFIG_FILE":          n.path("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE": n.path("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE":        n.path("rabbitmq-env.conf"),
		"RABBITMQ_PID_FILE":             n.path("pid"),
		"RABBITMQ_SERVER_ERL_ARGS":      strings.Join(vm, " "),

		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
		// The script then becomes the server, instead of staying as its parent.
		"RUNNING_UNDER_SYSTEMD": "true",
	}
	env := make([]string, 0, len(vars))
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}

const maxSchedulers = 4
