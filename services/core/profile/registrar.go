package profile

import (
	"context"
	"time"
)

// registrar decides what is written and what may be asked.
type registrar struct {
	book    *book
	publish func(context.Context, Driver) error
}

// write takes a profile and tells all instances. When telling fails the write
// fails; repeating it makes it good.
func (r *registrar) write(ctx context.Context, d Driver) error {
	if err := d.validate(); err != nil {
		return err
	}
	d, err := r.book.write(d, uint64(time.Now().UnixMicro()))
	if err != nil {
		return err
	}
	return r.publish(ctx, d)
}

// maxRead is how many profiles may be read at once.
const maxRead = 100

func (r *registrar) read(ids []string) ([]Driver, error) {
	if len(ids) > maxRead {
		return nil, refuse("read.too_many", "%d ids: want at most %d", len(ids), maxRead)
	}
	return r.book.read(ids), nil
}
