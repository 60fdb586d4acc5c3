package rabbitbus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
)

// A User is who processes log in to the broker as. It has one of three purposes: to run Services, to be the binding
// service's (Keeper), or to be the links' of another zone (Zone).
type User struct {
	Name     string
	Password string // of AddUser only; empty keeps that of a user who is there
	// Services are those whose queues it may open: of their instances, named <service>-<UUID>.
	Services []string
	// Groups are the durable groups that it may be a member of (Services).
	Groups []string
	// Keeper makes it the user of a binding service, which may change bindings, exchanges and federation.
	Keeper bool
	// Zone makes it the user that the brokers of that zone log in as, to take what goes there.
	Zone string
}

// tagUser marks the users that AddUser made; tagKeeper lets one use the management API.
const (
	tagUser   = "hansom"
	tagKeeper = "policymaker"
)

// Permissions are RabbitMQ's, each a regular expression over the names of queues and exchanges
// (https://www.rabbitmq.com/docs/access-control).
type Permissions struct {
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

const patternUUID = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`

// Permissions returns the least that the user needs. A service may serve, call, publish and subscribe. It may
// neither bind itself to h2, nor open another's queue, nor read what could not be routed. But RabbitMQ checks no keys on direct
// exchanges: it may bind its queue to h2.direct under the id of another's instance, and then gets copies of what is sent to
// that instance directly, not of what h2 routes to it.
// Queues of replies and of ephemeral subscriptions have random names and are exclusive, so
// that nobody else can open them whatever the pattern. The links of another zone take from the exchanges that lead there.
func (u User) Permissions() Permissions {
	switch {
	case u.Keeper:
		return Permissions{".*", ".*", ".*"}
	case u.Zone != "":
		const own = `federation: .*`
		return Permissions{
			Configure: `^` + own + `$`,
			Write:     `^` + own + `$`,
			Read:      `^(` + own + `|h2\.((direct|topic)\.)?zone\.` + regexp.QuoteMeta(u.Zone) + `)$`,
		}
	}
	groups := u.Groups
	if len(groups) == 0 {
		groups = u.Services
	}
	group := anyOf(groups, groupName)
	own := strings.Join([]string{
		anyOf(u.Services, nil) + `-` + patternUUID,
		`h2\.(reply|events)\..*`,
		`(h2\.lock\.)?h2\.group\.` + group + `=t=.*`,
		`h2\.retry\.[0-9]+\.` + group + `=t=.*`,
		`(h2\.lock\.)?h2\.dead(\.` + group + `)?`,
	}, "|")
	return Permissions{
		Configure: `^(` + own + `)$`,
		Write:     `^(` + own + `|h2|h2\.direct|h2\.topic|h2\.direct\.zone\..*|amq\.default)$`,
		Read:      `^(` + own + `|h2\.direct|h2\.topic)$`,
	}
}

// anyOf is a pattern of these names, as they are or as spell writes them.
func anyOf(names []string, spell func(string) string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		if spell != nil {
			name = spell(name)
		}
		quoted[i] = regexp.QuoteMeta(name)
	}
	return `(` + strings.Join(quoted, "|") + `)`
}

func (u User) check() error {
	bad := func(format string, arguments ...any) error {
		return fault.New(fault.BadRequest, "bus.bad_user", "user %q: %s", u.Name, fmt.Sprintf(format, arguments...))
	}
	purposes := 0
	for _, has := range []bool{len(u.Services) > 0, u.Keeper, u.Zone != ""} {
		if has {
			purposes++
		}
	}
	switch {
	case u.Name == "":
		return bad("it has no name")
	case purposes != 1:
		return bad("want services, or a keeper, or a zone, got %d of these", purposes)
	case len(u.Groups) > 0 && len(u.Services) == 0:
		return bad("groups are for a user of services")
	case slices.Contains(u.Services, "") || slices.Contains(u.Groups, ""):
		return bad("a service or group has no name")
	}
	return nil
}

// AddUser makes a user of the broker, or gives one that AddUser made these rights and this
// password. Connections that it has stay, with the rights that they have looked up. It needs a management user
// tagged administrator.
func AddUser(ctx context.Context, config Config, u User) (report Report, err error) {
	if err := u.check(); err != nil {
		return report, err
	}
	api, err := newManagement(config)
	if err != nil {
		return report, err
	}
	defer api.close()
	old, err := api.findUser(ctx, u.Name)
	switch made := errors.Is(err, errNoSuch); {
	case err != nil && !made:
		return report, err
	case !made && !old.ours():
		return report, fault.New(fault.Conflict, "bus.foreign_user",
			"the broker has a user %s that was not made by hansom: choose another name", u.Name)
	case made && u.Password == "":
		return report, fault.New(fault.NotFound, "bus.no_user", "there is no user %s yet whose password could be kept: give one", u.Name)
	case made:
		report.add("made user %s", u.Name)
	case u.Password == "":
		report.add("set rights of user %s", u.Name)
	default:
		report.add("set password and rights of user %s", u.Name)
	}
	// Without the virtual host the user would be made, and get no rights.
	if err := api.get(ctx, nil, "vhosts", api.vhost); err != nil {
		return Report{}, api.noVhost(err)
	}
	if err := api.put(ctx, u.account(old), "users", u.Name); err != nil {
		return Report{}, err
	}
	if err := api.put(ctx, u.Permissions(), "permissions", api.vhost, u.Name); err != nil {
		return report, err
	}
	return report, nil
}

// account is what the management API takes for the user; old is what it was.
func (u User) account(old listedUser) map[string]any {
	tags := tagUser
	if u.Keeper {
		tags += "," + tagKeeper
	}
	account := map[string]any{"tags": tags, "password": u.Password}
	if u.Password == "" {
		delete(account, "password")
		account["password_hash"], account["hashing_algorithm"] = old.PasswordHash, old.Hashing
	}
	return account
}

// UserInfo is a user as the broker has it.
type UserInfo struct {
	Name        string      `json:"name"`
	Keeper      bool        `json:"keeper"`
	Permissions Permissions `json:"permissions"`
}

// Users lists the users that AddUser made, by name.
func Users(ctx context.Context, config Config) ([]UserInfo, error) {
	api, err := newManagement(config)
	if err != nil {
		return nil, err
	}
	defer api.close()
	var listed []listedUser
	if err := api.get(ctx, &listed, "users"); err != nil {
		return nil, err
	}
	var permissions []struct {
		User string
		Permissions
	}
	if err := api.get(ctx, &permissions, "vhosts", api.vhost, "permissions"); err != nil {
		return nil, api.noVhost(err)
	}
	rights := map[string]Permissions{}
	for _, p := range permissions {
		rights[p.User] = p.Permissions
	}
	var all []UserInfo
	for _, u := range listed {
		if u.ours() {
			all = append(all, UserInfo{u.Name, u.has(tagKeeper), rights[u.Name]})
		}
	}
	slices.SortFunc(all, func(a, b UserInfo) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// RemoveUser removes a user that AddUser made; NotFound where there is none. The broker closes its connections.
func RemoveUser(ctx context.Context, config Config, name string) error {
	api, err := newManagement(config)
	if err != nil {
		return err
	}
	defer api.close()
	u, err := api.findUser(ctx, name)
	if err != nil && !errors.Is(err, errNoSuch) {
		return err
	}
	if err != nil || !u.ours() {
		return fault.New(fault.NotFound, "bus.no_user", "the broker has no user %s that was made by hansom", name)
	}
	return api.remove(ctx, "users", name)
}

type listedUser struct {
	Name         string `json:"name"`
	Tags         any    `json:"tags"` // a list; before RabbitMQ 3.9 text with commas
	PasswordHash string `json:"password_hash"`
	Hashing      string `json:"hashing_algorithm"`
}

func (m *management) findUser(ctx context.Context, name string) (u listedUser, err error) {
	return u, m.get(ctx, &u, "users", name)
}

func (u listedUser) ours() bool { return u.has(tagUser) }

func (u listedUser) has(tag string) bool {
	switch tags := u.Tags.(type) {
	case string:
		return slices.Contains(strings.Split(tags, ","), tag)
	case []any:
		return slices.Contains(tags, any(tag))
	}
	return false
}
