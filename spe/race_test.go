//go:build race

package spe_test

// raceEnabled says that the race detector is on.
const raceEnabled = true
