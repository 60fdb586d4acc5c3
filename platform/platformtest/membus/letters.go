package membus

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/hansom-platform/hansom/bus/driver"
	"github.com/hansom-platform/hansom/fault"
)

// A letter is a dead letter and the group that gave it up.
type letter struct {
	driver.DeadLetter
	group *group
}

func (e *Engine) bury(g *group, i *item, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buried++
	e.letters[g.name] = append(e.letters[g.name], letter{group: g, DeadLetter: driver.DeadLetter{
		ID:       strconv.Itoa(e.buried),
		Group:    g.name,
		Topic:    i.topic,
		Reason:   err.Error(),
		Attempts: i.attempts,
		At:       time.Now(),
		Message:  i.message,
	}})
}

// DeadLetters implements driver.Bus.
func (c *conn) DeadLetters(ctx context.Context, group string, limit int) ([]driver.DeadLetter, error) {
	if err := c.awaitPower(ctx); err != nil {
		return nil, err
	}
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	var letters []driver.DeadLetter
	for _, l := range c.engine.letters[group] {
		if len(letters) >= limit {
			break
		}
		l.Message = clone(l.Message)
		letters = append(letters, l.DeadLetter)
	}
	return letters, nil
}

// DeadGroups implements driver.Bus.
func (c *conn) DeadGroups(ctx context.Context) ([]driver.DeadGroup, error) {
	if err := c.awaitPower(ctx); err != nil {
		return nil, err
	}
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	var all []driver.DeadGroup
	for name, letters := range c.engine.letters {
		all = append(all, driver.DeadGroup{Group: name, Letters: len(letters)})
	}
	slices.SortFunc(all, func(a, b driver.DeadGroup) int { return cmp.Compare(a.Group, b.Group) })
	return all, nil
}

// ReplayLetter implements driver.Bus.
func (c *conn) ReplayLetter(ctx context.Context, group, id string) error {
	l, err := c.remove(ctx, group, id)
	if err == nil {
		l.group.push(&item{topic: l.Topic, message: l.Message})
	}
	return err
}

// DropLetter implements driver.Bus.
func (c *conn) DropLetter(ctx context.Context, group, id string) error {
	_, err := c.remove(ctx, group, id)
	return err
}

// remove takes a letter away from its group.
func (c *conn) remove(ctx context.Context, group, id string) (letter, error) {
	if err := c.awaitPower(ctx); err != nil {
		return letter{}, err
	}
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	letters := e.letters[group]
	i := slices.IndexFunc(letters, func(l letter) bool { return l.ID == id })
	if i < 0 {
		return letter{}, fault.New(fault.NotFound, driver.ReasonNoLetter, "group %s has no dead letter %q", group, id)
	}
	l := letters[i]
	if letters = slices.Delete(letters, i, i+1); len(letters) == 0 {
		delete(e.letters, group)
		return l, nil
	}
	e.letters[group] = letters
	return l, nil
}
