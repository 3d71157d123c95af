// Command witness has the device attest to itself, and verifies what it says with
// the public identity key that provisioning gave out. On a real network the two
// halves are two machines: the challenge goes one way, the token the other.
//
//	POSTERN_SOCKET=DIR/run/ns.sock witness IAK.PEM
package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"os"

	"github.com/postern-spe/postern/nspe"
	"github.com/postern-spe/postern/nspe/token"
	"github.com/postern-spe/postern/veneer/attestation"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("witness: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: witness IAK.PEM")
	}
	key, err := readKey(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	challenge := make([]byte, attestation.ChallengeSize32)
	rand.Read(challenge)
	raw, err := attest(challenge)
	if err != nil {
		log.Fatal(err)
	}
	t, err := token.Parse(raw)
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Verify(key, challenge); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("token of %d bytes verified: lifecycle %v, client %d\n", len(raw), *t.Lifecycle, *t.ClientID)
}

// attest is the device's half.
func attest(challenge []byte) ([]byte, error) {
	conn, err := nspe.Connect("")
	if err != nil {
		return nil, err
	}
	defer conn.Disconnect()
	return attestation.New(conn).Token(challenge)
}

func readKey(path string) (*ecdsa.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", path)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an ECDSA key", path)
	}
	return ec, nil
}
