package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"

	"github.com/rogpeppe/go-internal/testscript"
)

// sha FILE: standard output is the file's SHA-256, as Go's own package has it.
func sha(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sha FILE")
	}
	sum := sha256.Sum256([]byte(ts.ReadFile(args[0])))
	if got, want := ts.ReadFile("stdout"), hex.EncodeToString(sum[:])+"\n"; got != want {
		ts.Fatalf("hash %q, want %q", got, want)
	}
}

// ecdsa PEM SIGNATURE FILE: Go's own package takes the signature, in DER.
func verifyECDSA(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: [!] ecdsa PEM SIGNATURE FILE")
	}
	block, _ := pem.Decode([]byte(ts.ReadFile(args[0])))
	if block == nil {
		ts.Fatalf("%s is not PEM", args[0])
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	ts.Check(err)
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		ts.Fatalf("%s holds a %T", args[0], key)
	}
	hash := sha256.Sum256([]byte(ts.ReadFile(args[2])))
	if ecdsa.VerifyASN1(public, hash[:], []byte(ts.ReadFile(args[1]))) == neg {
		ts.Fatalf("signature valid: %t", neg)
	}
}
