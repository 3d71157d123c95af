//go:build !race

package ps

// raceEnabled says that the race detector is on.
const raceEnabled = false
