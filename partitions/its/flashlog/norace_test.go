//go:build !race

package flashlog_test

// raceEnabled says that the race detector is on.
const raceEnabled = false
