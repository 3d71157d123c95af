//go:build race

package crypto_test

// underRace: the race detector makes sync.Pool drop some of what it is given.
const underRace = true
