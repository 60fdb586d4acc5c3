package profile

import (
	"cmp"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hansom-platform/hansom/fault"
)

// A Driver is one profile. Revision is the time of the write, in microseconds since
// 1970, and more than that of the profile it replaces.
type Driver struct {
	ID, Name, Vehicle, Plate string
	Revision                 uint64
}

// Limits, in characters.
const (
	maxName    = 80
	maxVehicle = 60
)

var (
	driverID    = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)
	numberPlate = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} .·-]{0,15}$`)
)

// validate refuses what nobody should see on a customer's phone, with BadRequest
// and a reason that begins with core.profile.write.
func (d Driver) validate() error {
	switch {
	case !driverID.MatchString(d.ID):
		return refuse("write.bad_id", "id %.80q: want 1 to 64 letters, digits and . _ : -", d.ID)
	case !readable(d.Name, maxName):
		return refuse("write.bad_name", "name %.100q: want 1 to %d printable characters, no space at the ends", d.Name, maxName)
	case !readable(d.Vehicle, maxVehicle):
		return refuse("write.bad_vehicle", "vehicle %.100q: want 1 to %d printable characters, no space at the ends", d.Vehicle, maxVehicle)
	case !numberPlate.MatchString(d.Plate):
		return refuse("write.bad_plate", "plate %.40q: want 1 to 16 letters, digits, spaces and . · -", d.Plate)
	}
	return nil
}

func refuse(reason, message string, args ...any) error {
	return fault.New(fault.BadRequest, "core.profile."+reason, message, args...)
}

func readable(s string, limit int) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		strings.TrimSpace(s) == s && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// newer reports whether d replaces e. The order is total over what profiles say,
// so that instances agree also on two writes of one microsecond.
func (d Driver) newer(e Driver) bool {
	return cmp.Or(
		cmp.Compare(d.Revision, e.Revision),
		cmp.Compare(d.Name, e.Name),
		cmp.Compare(d.Vehicle, e.Vehicle),
		cmp.Compare(d.Plate, e.Plate),
	) > 0
}
