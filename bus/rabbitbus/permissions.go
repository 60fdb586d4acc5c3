package rabbitbus

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/hansom-platform/hansom/fault"
)

// A User is who a service logs in to the broker as.
type User struct {
	Name     string
	Password string // of AddUser only
	// Service is whose queues it may open: those of the service's instances, named <service>-<UUID>.
	Service string
	// Groups are the durable groups that it may be a member of ([Service]).
	Groups []string
	// Keeper makes it the user of a binding service, which may change bindings, exchanges and federation.
	Keeper bool
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

// Permissions returns the least that the user needs: to serve, call, publish and subscribe. A service may
// neither bind itself to h2, nor open another's queue, nor read what could not be routed.
// Queues of replies and of ephemeral subscriptions have random names and are exclusive, so
// that nobody else can open them whatever the pattern.
func (u User) Permissions() Permissions {
	if u.Keeper {
		return Permissions{".*", ".*", ".*"}
	}
	groups := u.Groups
	if len(groups) == 0 {
		groups = []string{u.Service}
	}
	var names []string
	for _, g := range groups {
		names = append(names, regexp.QuoteMeta(escape(g)))
	}
	group := `(` + strings.Join(names, "|") + `)`
	own := strings.Join([]string{
		regexp.QuoteMeta(u.Service) + `-` + patternUUID,
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

func (u User) check() error {
	if u.Name == "" || u.Password == "" || (u.Service == "" && !u.Keeper) {
		return fault.New(fault.BadRequest, "bus.bad_user", "user %q of service %q: name, password and service must be given", u.Name, u.Service)
	}
	return nil
}

// AddUser makes a user of the broker, or gives one that AddUser made these rights and this
// password. It needs a management user tagged administrator.
func AddUser(ctx context.Context, config Config, u User) (report Report, err error) {
	if err := u.check(); err != nil {
		return report, err
	}
	api, err := newManagement(config)
	if err != nil {
		return report, err
	}
	old, err := api.findUser(ctx, u.Name)
	switch {
	case err == nil && !old.ours():
		return report, fault.New(fault.Conflict, "bus.foreign_user",
			"the broker has a user %s that was not made by hansom: choose another name", u.Name)
	case err != nil && !errors.Is(err, errNoSuch):
		return report, err
	}
	made := err != nil
	tags := tagUser
	if u.Keeper {
		tags += "," + tagKeeper
	}
	if err := api.put(ctx, map[string]any{"password": u.Password, "tags": tags}, "users", u.Name); err != nil {
		return report, err
	}
	if err := api.put(ctx, u.Permissions(), "permissions", api.vhost, u.Name); err != nil {
		return report, err
	}
	if made {
		report.add("made user %s", u.Name)
	} else {
		report.add("set password and rights of user %s", u.Name)
	}
	return report, nil
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
	var listed []listedUser
	if err := api.get(ctx, &listed, "users"); err != nil {
		return nil, err
	}
	var permissions []struct {
		User string
		Permissions
	}
	if err := api.get(ctx, &permissions, "vhosts", api.vhost, "permissions"); err != nil {
		return nil, err
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
	Name string `json:"name"`
	Tags any    `json:"tags"` // a list; before RabbitMQ 3.9 text with commas
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
