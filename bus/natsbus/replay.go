package natsbus

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// DeadGroups implements driver.Bus.
func (c *conn) DeadGroups(ctx context.Context) (all []driver.DeadGroup, err error) {
	if err := c.openStreams(ctx); err != nil {
		return nil, err
	}
	err = c.engine(ctx, "list the groups that have dead letters", func(ctx context.Context) error {
		all, err = c.readDeadGroups(ctx)
		return err
	})
	return all, err
}

func (c *conn) readDeadGroups(ctx context.Context) ([]driver.DeadGroup, error) {
	stream, err := c.js.Stream(ctx, streamDead)
	if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefixDead+">"))
	if err != nil {
		return nil, err
	}
	var all []driver.DeadGroup
	for subject, letters := range info.State.Subjects {
		all = append(all, driver.DeadGroup{Group: unescape(strings.TrimPrefix(subject, prefixDead)), Letters: int(letters)})
	}
	slices.SortFunc(all, func(a, b driver.DeadGroup) int { return cmp.Compare(a.Group, b.Group) })
	return all, nil
}

// ReplayLetter implements driver.Bus.
func (c *conn) ReplayLetter(ctx context.Context, group, id string) error {
	d, err := c.letter(ctx, group, id)
	if err != nil {
		return err
	}
	consumer := consumerName(group, cmp.Or(d.pattern, d.Topic))
	if err := c.takeReplays(ctx, consumer, d); err != nil {
		return err
	}
	if err := c.store(ctx, againSubject(consumer, d.Topic), d.Message); err != nil {
		return err
	}
	return c.removeLetter(ctx, group, id)
}

// takeReplays makes sure that the group's consumer takes replayed events: what
// nobody takes, the stream does not keep. A consumer that an earlier version made
// takes none before its update.
func (c *conn) takeReplays(ctx context.Context, name string, d letter) error {
	return c.engine(ctx, "prepare the group "+d.Group+" for a replay", func(ctx context.Context) error {
		consumer, err := c.js.Consumer(ctx, streamEvents, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fault.New(fault.NotFound, driver.ReasonNoGroup,
				"group %s does not take %s on this bus: start a member of it and replay again", d.Group, cmp.Or(d.pattern, d.Topic))
		}
		if err != nil {
			return err
		}
		config := consumer.CachedInfo().Config
		again := againSubject(name, ">")
		if slices.Contains(config.FilterSubjects, again) {
			return nil
		}
		config.FilterSubjects = append(config.FilterSubjects, again)
		if config.FilterSubject != "" {
			config.FilterSubjects = append(config.FilterSubjects, config.FilterSubject)
			config.FilterSubject = ""
		}
		_, err = c.js.UpdateConsumer(ctx, streamEvents, config)
		return err
	})
}

// DropLetter implements driver.Bus.
func (c *conn) DropLetter(ctx context.Context, group, id string) error {
	if _, err := c.letter(ctx, group, id); err != nil {
		return err
	}
	return c.removeLetter(ctx, group, id)
}

func noLetter(group, id string) error {
	return fault.New(fault.NotFound, driver.ReasonNoLetter, "group %s has no dead letter %q", group, id)
}

// letter reads one dead letter of group.
func (c *conn) letter(ctx context.Context, group, id string) (d letter, err error) {
	sequence, err := strconv.ParseUint(id, 10, 64)
	if err != nil || sequence == 0 {
		return letter{}, noLetter(group, id)
	}
	if err := c.openStreams(ctx); err != nil {
		return letter{}, err
	}
	err = c.engine(ctx, "read dead letter "+id+" of "+group, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, streamDead)
		if err != nil {
			return err
		}
		raw, err := stream.GetMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) || (err == nil && raw.Subject != deadSubject(group)) {
			return noLetter(group, id)
		}
		if err != nil {
			return err
		}
		d, err = readDeadLetter(raw)
		return err
	})
	return d, err
}

// removeLetter removes what letter has found.
func (c *conn) removeLetter(ctx context.Context, group, id string) error {
	sequence, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return noLetter(group, id)
	}
	err = c.engine(ctx, "remove dead letter "+id+" of "+group, func(ctx context.Context) error {
		stream, err := c.js.Stream(ctx, streamDead)
		if err != nil {
			return err
		}
		return stream.DeleteMsg(ctx, sequence)
	})
	if err == nil {
		return nil
	}
	if _, gone := c.letter(ctx, group, id); fault.Is(gone, fault.NotFound) {
		return gone // somebody else was faster
	}
	return err
}
