// Command verifier checks signer's signature with nothing but Go's standard
// library: whoever gets the file needs no secure world.
//
//	verifier FILE SIGNATURE PUBLIC
package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("verifier: ")
	if len(os.Args) != 4 {
		log.Fatal("usage: verifier FILE SIGNATURE PUBLIC")
	}
	if err := verify(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
	fmt.Println("crypto/ecdsa says: the signature is good")
}

func verify(file, signature, public string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	sig, err := os.ReadFile(signature)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(public)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s: no PEM block", public)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("%s: not an ECDSA key", public)
	}
	if hash := sha256.Sum256(data); !ecdsa.VerifyASN1(ec, hash[:], sig) {
		return errors.New("the signature is bad")
	}
	return nil
}
