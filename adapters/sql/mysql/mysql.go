// Package mysql makes connections to MySQL and MariaDB for adapters/sql, which
// alone imports it.
package mysql

import (
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hansom-platform/hansom/adapters"
	"github.com/hansom-platform/hansom/adapters/sql/dialect"
)

// Connector returns what makes connections, under the name of the service, and to
// what. The URL holds no password; its scheme says which of the servers it is.
func Connector(u *url.URL, password, service string, timeout time.Duration) (driver.Connector, adapters.Target, error) {
	none := adapters.Target{}
	if u.Hostname() == "" {
		return nil, none, errors.New("url names no host: want " + u.Scheme + "://user@host:3306/database")
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	query := u.RawQuery
	if !u.Query().Has("parseTime") {
		query = strings.TrimPrefix(query+"&parseTime=true", "&")
	}
	c, err := mysql.ParseDSN("tcp(" + net.JoinHostPort(u.Hostname(), port) + ")/" + strings.TrimPrefix(u.EscapedPath(), "/") + "?" + query)
	if err != nil {
		return nil, none, err
	}
	c.User, c.Passwd, c.Timeout = u.User.Username(), password, timeout
	c.Logger = &mysql.NopLogger{} // what it says comes back as an error too
	c.ConnectionAttributes = strings.TrimPrefix(c.ConnectionAttributes+",program_name:"+service, ",")
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, none, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, none, errors.New("url has a port that is no number: want " + u.Scheme + "://user@host:3306/database")
	}
	return connector, adapters.Target{System: u.Scheme, Namespace: c.DBName, Host: u.Hostname(), Port: number}, nil
}

// KindOf reads an error of the server or of the driver, and reports whether it is
// one.
func KindOf(err error) (dialect.Kind, bool) {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		return numberKind(answer.Number), true
	}
	if errors.Is(err, mysql.ErrInvalidConn) {
		return dialect.Unreachable, true
	}
	return dialect.Kind{}, false
}

// numberKind reads an error number (MySQL's manual, "Server Error Message Reference";
// MariaDB's own begin at 1900).
func numberKind(number uint16) dialect.Kind {
	switch number {
	case 1022, 1062, 1169, 1557, 1586:
		return dialect.Unique
	case 1216, 1217, 1451, 1452:
		return dialect.ForeignKey
	case 3819, 4025:
		return dialect.Constraint
	case 1213, 1020, 1614:
		return dialect.Serialized
	case 1205, 3572:
		return dialect.Locked
	case 1317, 1969, 3024:
		return dialect.Timeout
	case 1053, 1077, 1079, 1927, 4031:
		return dialect.Shutdown
	case 1021, 1040, 1041, 1114, 1203, 1226:
		return dialect.Full
	case 1290, 1792, 1836:
		return dialect.ReadOnly
	case 1044, 1045, 1049, 1129, 1130, 1251, 1698, 3118, 4151:
		return dialect.Login
	case 1142, 1143, 1227, 1370:
		return dialect.Denied
	}
	return dialect.Statement
}
