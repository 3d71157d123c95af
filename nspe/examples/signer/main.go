// Command signer is a non-secure program that signs a file with a key it never
// sees: the key is made in the secure world, stays there, and outlives the
// program. It writes the signature (ASN.1) and the public key (PEM).
//
//	POSTERN_SOCKET=DIR/run/ns.sock signer FILE SIGNATURE PUBLIC
package main

import (
	stdcrypto "crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/postern-spe/postern/nspe"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

const keyID psa.KeyID = 0x11

func main() {
	log.SetFlags(0)
	log.SetPrefix("signer: ")
	if len(os.Args) != 4 {
		log.Fatal("usage: signer FILE SIGNATURE PUBLIC")
	}
	if err := sign(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func sign(file, signature, public string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	conn, err := nspe.Connect("")
	if err != nil {
		return err
	}
	defer conn.Disconnect()
	keys := crypto.New(conn)

	_, err = keys.Generate(psa.KeyAttributes{
		ID:        keyID,
		Type:      psa.ECCPair(psa.SECPR1),
		Bits:      256,
		Lifetime:  psa.LifetimePersistent,
		Usage:     psa.UsageSignHash, // and not psa.UsageExport
		Algorithm: psa.ECDSA(psa.SHA256),
	})
	if err != nil && !errors.Is(err, veneer.ErrAlreadyExists) {
		return err
	}
	if _, err := keys.Export(keyID); !errors.Is(err, veneer.ErrNotPermitted) {
		return fmt.Errorf("the private key can be exported: %v", err)
	}
	key, err := keys.Signer(keyID) // a crypto.Signer like any other
	if err != nil {
		return err
	}
	hash := sha256.Sum256(data)
	sig, err := key.Sign(nil, hash[:], stdcrypto.SHA256)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644); err != nil {
		return err
	}
	fmt.Printf("%s signed with P-256 key %v, which cannot be exported\n", file, keyID)
	return os.WriteFile(signature, sig, 0o644)
}
