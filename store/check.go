package store

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hansom-platform/hansom/fault"
	"github.com/hansom-platform/hansom/store/driver"
)

func checkTable(name string) error {
	bad := name == "" || len(name) > driver.MaxTable
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z'
		bad = bad || !letter && (i == 0 || c != '_' && (c < '0' || '9' < c))
	}
	if bad {
		return fmt.Errorf("store: table %q: a name is [a-z][a-z0-9_]*, at most %d bytes", name, driver.MaxTable)
	}
	return nil
}

func checkKey(op string, key Key) error {
	if key.Partition == "" {
		return fault.New(fault.BadRequest, ReasonKey, "store: %s: the partition key is empty", op)
	}
	if err := checkText(op, "partition key", key.Partition); err != nil {
		return err
	}
	return checkText(op, "clustering key", key.Clustering)
}

func checkText(op, what, s string) error {
	var problem string
	switch {
	case len(s) > MaxKey:
		problem = fmt.Sprintf("has %d bytes; at most %d are allowed", len(s), MaxKey)
	case !utf8.ValidString(s):
		problem = "is not UTF-8"
	case strings.ContainsRune(s, 0):
		problem = "has a NUL byte"
	default:
		return nil
	}
	return fault.New(fault.BadRequest, ReasonKey, "store: %s: the %s %s", op, what, problem).
		WithDetail("%.64q", s)
}

// checkOp checks all of an operation but its key.
func checkOp(o Op) error {
	cond := o.op.If
	switch {
	case o.name == "":
		return fault.New(fault.BadRequest, ReasonBatch, "store: batch: an operation is empty; make them with PutOp and its like")
	case len(o.op.Value) > MaxValue:
		return fault.New(fault.BadRequest, ReasonValue, "store: %s: the value has %d bytes; at most %d are allowed",
			o.name, len(o.op.Value), MaxValue)
	case o.op.TTL != 0 && (o.op.TTL < MinTTL || o.op.TTL > MaxTTL):
		return fault.New(fault.BadRequest, ReasonTTL, "store: %s: the ttl must be from %v to %v", o.name, MinTTL, MaxTTL)
	case !cond.Always() && cond.Revision() == 0 && o.name != "create":
		return fault.New(fault.BadRequest, ReasonRevision,
			"store: %s: revision 0 is no record's; pass the revision that Get returned, or create the record", o.name)
	}
	return nil
}
