// Package psa is the PSA encodings that both worlds share: algorithms, key
// types, usage flags, lifetimes, key identifiers and the key attributes in the
// 24-byte form in which they travel; the storage flags and the security
// lifecycle.
//
// It implements the encodings of the PSA Certified Crypto API 1.5 (appendix
// "Algorithm and key type encoding"), Secure Storage API 1.0 and FF-M 1.1; the
// values that those documents leave to the implementation (derivation steps,
// the layout of the attributes) are those of Mbed TLS and TF-M.
//
// The typed clients, the commands and the secure partitions use it. A value of
// one of its types may be any number that an attacker chose: predicates and
// names are total functions of the bits, and nothing here trusts a value to be
// one that the package knows. Whether it means something, the Crypto partition
// decides.
package psa

import "strconv"

// hex writes a value that has no name.
func hex(kind string, v uint64, digits int) string {
	s := strconv.FormatUint(v, 16)
	for len(s) < digits {
		s = "0" + s
	}
	return kind + "(0x" + s + ")"
}
