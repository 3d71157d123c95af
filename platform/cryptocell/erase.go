//go:build !goexperiment.runtimesecret

package cryptocell

// erasing calls f, which handles a private key. Built with
// GOEXPERIMENT=runtimesecret, the runtime wipes the registers, stack and heap
// that f used; in any other build what crypto/ecdsa allocated stays until its
// memory is given out again.
func erasing(f func()) { f() }
