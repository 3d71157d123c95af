//go:build goexperiment.runtimesecret

package cryptocell

import "runtime/secret"

// erasing calls f, which handles a private key. The runtime wipes the registers
// and stack that f used when it returns, and what it allocated once the collector
// finds it unused.
func erasing(f func()) { secret.Do(f) }
