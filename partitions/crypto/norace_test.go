//go:build !race

package crypto

const underRace = false
