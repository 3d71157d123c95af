package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/postern-spe/postern/nspe/token"
)

// A relying party has sent a challenge and got a token back. It knows the
// device's public key from its maker.
func Example() {
	text, err := os.ReadFile("testdata/postern.hex")
	if err != nil {
		fmt.Println(err)
		return
	}
	data, _ := hex.DecodeString(strings.TrimSpace(string(text)))
	point, _ := hex.DecodeString("04" +
		"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" +
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		fmt.Println(err)
		return
	}
	challenge, _ := hex.DecodeString(strings.Repeat("c4", 32))

	t, err := token.Parse(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("with the challenge sent:", t.Verify(key, challenge))
	fmt.Println("with yesterday's:", t.Verify(key, make([]byte, 32)))
	fmt.Println("lifecycle:", t.Lifecycle)
	fmt.Println("runs:", t.SoftwareComponents[0].Type, t.SoftwareComponents[0].Version)
	// Output:
	// with the challenge sent: <nil>
	// with yesterday's: token: challenge: the token was made for another challenge: c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4
	// lifecycle: secured
	// runs: BL2 1.2.3+4
}
