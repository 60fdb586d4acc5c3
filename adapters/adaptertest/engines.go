package adaptertest

import (
	"path/filepath"
	"strconv"
)

// OpenPostgres starts PostgreSQL.
func OpenPostgres() (*Engine, error) {
	server, err := find("postgres", "/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return nil, err
	}
	e, err := newEngine("postgres", "INT", "ready to accept connections")
	if err != nil {
		return nil, err
	}
	return open(e, e.initPostgres(server))
}

func (e *Engine) initPostgres(server string) error {
	password, err := e.write("password", Password)
	if err != nil {
		return err
	}
	data := filepath.Join(e.dir, "data")
	err = e.prepare(filepath.Join(filepath.Dir(server), "initdb"), "-D", data, "-U", User, "-A", "scram-sha-256", "--pwfile", password,
		"-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
	if err != nil {
		return err
	}
	e.command = []string{
		server, "-D", data, "-p", strconv.Itoa(e.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "max_connections=40", "-c", "shared_buffers=16MB", "-c", "autovacuum=off",
	}
	return nil
}

// OpenMariaDB starts MariaDB, Debian's server that speaks MySQL's protocol, with the
// databases one and two.
func OpenMariaDB() (*Engine, error) {
	server, err := find("mariadbd", "/usr/sbin/mariadbd")
	if err != nil {
		return nil, err
	}
	install, err := find("mariadb-install-db", "/usr/bin/mariadb-install-db")
	if err != nil {
		return nil, err
	}
	e, err := newEngine("mariadb", "TERM", "ready for connections")
	if err != nil {
		return nil, err
	}
	return open(e, e.initMariaDB(server, install))
}

func (e *Engine) initMariaDB(server, install string) error {
	start, err := e.write("start.sql",
		"CREATE USER IF NOT EXISTS '"+User+"'@'127.0.0.1' IDENTIFIED BY '"+Password+"';",
		"GRANT ALL ON *.* TO '"+User+"'@'127.0.0.1';",
		"CREATE DATABASE IF NOT EXISTS one;", "CREATE DATABASE IF NOT EXISTS two;")
	if err != nil {
		return err
	}
	common := []string{
		"--no-defaults", "--datadir=" + filepath.Join(e.dir, "data"),
		"--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--aria-log-file-size=8M",
	}
	err = e.prepare(install, append(common, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")...)
	if err != nil {
		return err
	}
	e.command = append(append([]string{server}, common...),
		"--port="+strconv.Itoa(e.Port), "--bind-address=127.0.0.1", "--skip-name-resolve",
		"--socket="+filepath.Join(e.dir, "socket"), "--pid-file="+filepath.Join(e.dir, "pid"), "--init-file="+start,
		"--skip-log-bin", "--max-connections=40", "--innodb-lock-wait-timeout=1")
	return nil
}

// OpenRedis starts Redis.
func OpenRedis() (*Engine, error) {
	server, err := find("redis-server", "/usr/bin/redis-server")
	if err != nil {
		return nil, err
	}
	e, err := newEngine("redis", "TERM", "Ready to accept connections")
	if err != nil {
		return nil, err
	}
	e.command = []string{
		server, "--port", strconv.Itoa(e.Port), "--bind", "127.0.0.1", "--dir", e.dir,
		"--save", "", "--appendonly", "no", "--requirepass", Password,
	}
	return open(e, nil)
}
