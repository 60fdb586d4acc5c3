package bus

import "context"

// DeadLetters lists up to limit events that group gave up, oldest first.
func (b *Bus) DeadLetters(ctx context.Context, group string, limit int) ([]DeadLetter, error) {
	return b.driver.DeadLetters(ctx, group, limit)
}

// DeadGroups lists the groups that have dead letters, by name.
func (b *Bus) DeadGroups(ctx context.Context) ([]DeadGroup, error) {
	return b.driver.DeadGroups(ctx)
}

// ReplayLetter gives a dead letter back to its group, and to no other, as if it
// had just been published, and removes it from the letters. See driver.Bus.
func (b *Bus) ReplayLetter(ctx context.Context, group, id string) error {
	return b.driver.ReplayLetter(ctx, group, id)
}

// DropLetter removes a dead letter.
func (b *Bus) DropLetter(ctx context.Context, group, id string) error {
	return b.driver.DropLetter(ctx, group, id)
}
