//go:build !race

package crypto_test

const underRace = false
