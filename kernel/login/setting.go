package login

import (
	"fmt"
	"time"
)

func setNumber(name string, from, to *int, least, most int) error {
	if from == nil {
		return nil
	}
	if *from < least || *from > most {
		return fmt.Errorf("%s: %d; want a number from %d to %d", name, *from, least, most)
	}
	*to = *from
	return nil
}

func setDuration(name, from string, to *time.Duration, least, most time.Duration) error {
	if from == "" {
		return nil
	}
	d, err := time.ParseDuration(from)
	if err != nil || d < least || d > most {
		return fmt.Errorf("%s: %q; want a duration from %v to %v, such as \"8h\" or \"30m\"", name, from, least, most)
	}
	*to = d
	return nil
}
