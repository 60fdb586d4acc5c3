package sim

import (
	"fmt"
	"math/rand/v2"
)

var (
	firstNames = []string{
		"Ada", "Amir", "Aoife", "Ben", "Carla", "Chidi", "Dana", "Diego", "Elif", "Emma", "Farah", "George",
		"Hana", "Ines", "Ivan", "Jack", "Kofi", "Layla", "Liam", "Mei", "Nadia", "Noah", "Olga", "Priya",
		"Rosa", "Sam", "Tariq", "Uma", "Wei", "Yusuf", "Zoe",
	}
	lastNames = []string{
		"Adeyemi", "Ahmed", "Baker", "Byrne", "Chen", "Costa", "Dubois", "Evans", "Fischer", "Garcia", "Haddad",
		"Ito", "Jones", "Kaya", "Khan", "Kowalski", "Lopez", "Martin", "Murphy", "Nguyen", "Okafor", "Patel",
		"Rossi", "Silva", "Singh", "Smith", "Tanaka", "Walsh", "Weber", "Young",
	}
	vehicles = []string{"Black cab", "Black cab", "Electric cab", "Saloon", "Estate", "People carrier"}
)

// newDriver makes up the driver of a taxi. Fleets of different seeds share no ids.
func newDriver(seed uint64, number int, city string) driver {
	r := rand.New(rand.NewPCG(seed, ^uint64(number)))
	return driver{
		ID:      fmt.Sprintf("sim-%s-%x-%d", city, seed, number),
		Name:    firstNames[r.IntN(len(firstNames))] + " " + lastNames[r.IntN(len(lastNames))],
		Vehicle: vehicles[r.IntN(len(vehicles))],
		Plate:   fmt.Sprintf("%s %05d", city, number),
	}
}
