package eta

import "time"

// setOff is what a driver needs to accept, turn round and join the traffic, in
// seconds. An assumption.
const setOff = 45

// weekday and weekend hold, for each local hour's beginning, by how much the way
// takes longer than in free-flowing traffic. They have the shape that every
// congestion survey of large cities shows (two peaks on working days, one flat
// hump at weekends); their heights are assumptions, not measurements. Cities that
// measure their own will bring them as configuration.
var (
	weekday = [24]float64{
		1.00, 1.00, 1.00, 1.00, 1.00, 1.05, 1.15, 1.40, 1.60, 1.45, 1.30, 1.30,
		1.30, 1.30, 1.35, 1.45, 1.55, 1.65, 1.60, 1.35, 1.20, 1.15, 1.10, 1.05,
	}
	weekend = [24]float64{
		1.05, 1.05, 1.05, 1.00, 1.00, 1.00, 1.00, 1.05, 1.10, 1.15, 1.20, 1.25,
		1.30, 1.30, 1.30, 1.30, 1.30, 1.30, 1.25, 1.20, 1.15, 1.15, 1.10, 1.10,
	}
)

// traffic returns the factor at a local time, going straight from one hour's to
// the next, also over midnight.
func traffic(local time.Time) float64 {
	next := local.Add(time.Hour)
	from, to := day(local)[local.Hour()], day(next)[next.Hour()]
	minutes := float64(local.Minute()) + float64(local.Second())/60
	return from + (to-from)*minutes/60
}

func day(t time.Time) *[24]float64 {
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		return &weekend
	}
	return &weekday
}

// seconds is the time a driver takes for a way that lasts free seconds in
// free-flowing traffic, when he is asked at a local time.
func seconds(free float64, local time.Time) float64 {
	return setOff + free*traffic(local)
}
