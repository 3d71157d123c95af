//go:build race

package crypto

// underRace: the race detector makes sync.Pool drop some of what it is given.
const underRace = true
