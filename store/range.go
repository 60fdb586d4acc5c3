package store

import (
	"context"
	"iter"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

// The number of records of a page.
const (
	DefaultLimit = 100
	MaxLimit     = driver.MaxLimit
)

// Range is a piece of a partition, in the order of clustering keys. The zero
// Range is all of it. From, To and Prefix together mean all of them.
type Range struct {
	From, To string // From is inclusive, To exclusive; empty is open. Any bytes.
	Prefix   string // only clustering keys that begin so
	Reverse  bool   // from the greatest key down
	Limit    int    // the most records of one page: 1 to MaxLimit; 0 is DefaultLimit
	Continue string // of the page before: go on after it. All else but Limit must be as it was.
}

// Page is one page of a range.
type Page struct {
	Records  []Record
	Continue string // for the next page; empty: there are no more
}

// Range returns one page of a range. It may hold fewer records than the limit
// although there are more, where their values are large: only an empty Continue tells the end.
//
// A page is the picture of one instant; of several pages each has its own. Going
// on with Continue returns every record that existed all the time once, and none twice.
// A Continue stays good for any time, also across restarts.
func (t *Table) Range(ctx context.Context, partition string, r Range) (Page, error) {
	if err := checkKey("range", Key{Partition: partition}); err != nil {
		return Page{}, err
	}
	span, err := r.span(t.partition(partition))
	if err != nil {
		return Page{}, err
	}
	if span.To != "" && span.From >= span.To {
		return Page{}, nil
	}
	found, more, err := t.driver.Range(ctx, t.partition(partition), span)
	if err != nil {
		return Page{}, t.keyError("range", Key{Partition: partition}, err)
	}
	page := Page{Records: make([]Record, len(found))}
	for i, f := range found {
		page.Records[i] = record(partition, f)
	}
	if more && len(found) > 0 {
		page.Continue = r.token(t.partition(partition), found[len(found)-1].Clustering)
	}
	return page, nil
}

// All returns all records of a range, from Continue on if that is set, reading
// pages of Limit records as they are wanted. An error ends it.
func (t *Table) All(ctx context.Context, partition string, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r := r; ; {
			page, err := t.Range(ctx, partition, r)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, rec := range page.Records {
				if !yield(rec, nil) {
					return
				}
			}
			if page.Continue == "" {
				return
			}
			r.Continue = page.Continue
		}
	}
}

// span returns what the driver is asked for.
func (r Range) span(at driver.Partition) (driver.Span, error) {
	if r.Limit < 0 || r.Limit > MaxLimit {
		return driver.Span{}, fault.New(fault.BadRequest, ReasonRange,
			"store: range: limit %d; it must be from 1 to %d, or 0 for %d", r.Limit, MaxLimit, DefaultLimit)
	}
	s := driver.Span{From: max(r.From, r.Prefix), To: r.To, Reverse: r.Reverse, Limit: r.Limit}
	if s.Limit == 0 {
		s.Limit = DefaultLimit
	}
	if end := after(r.Prefix); end != "" && (s.To == "" || end < s.To) {
		s.To = end
	}
	if r.Continue == "" {
		return s, nil
	}
	last, err := r.parseToken(at, r.Continue)
	if err != nil {
		return driver.Span{}, err
	}
	if r.Reverse {
		if last == "" { // nothing sorts before the empty key
			return driver.Span{From: "\x00", To: "\x00"}, nil
		}
		if s.To == "" || last < s.To {
			s.To = last
		}
	} else {
		s.From = max(s.From, last+"\x00") // the least string that is greater
	}
	return s, nil
}

// after returns the least string greater than all that begin with prefix, or ""
// if there is none.
func after(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}
