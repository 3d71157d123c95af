package main

import (
	"testing"

	"github.com/postern-spe/postern/veneer/psa"
)

func TestKeyPolicyDefaults(t *testing.T) {
	const signs = psa.UsageSignHash | psa.UsageVerifyHash
	for _, tt := range []struct {
		name     string
		flags    keyPolicy
		isImport bool
		want     psa.KeyAttributes
	}{
		{
			"ECC pair signs", keyPolicy{id: "1", typ: "ecc-p256"}, false,
			psa.KeyAttributes{Type: psa.ECCPair(psa.SECPR1), Bits: 256, Algorithm: psa.ECDSA(psa.SHA256), Usage: signs, ID: 1},
		}, {
			"larger curve, larger hash", keyPolicy{id: "1", typ: "ecc-p384"}, false,
			psa.KeyAttributes{Type: psa.ECCPair(psa.SECPR1), Bits: 384, Algorithm: psa.ECDSA(psa.SHA384), Usage: signs, ID: 1},
		}, {
			"ECC public key verifies", keyPolicy{id: "0x3fffffff", typ: "ecc-p256-public"}, true,
			psa.KeyAttributes{Type: psa.ECCPublic(psa.SECPR1), Bits: 256, Algorithm: psa.ECDSA(psa.SHA256), Usage: psa.UsageVerifyHash, ID: 0x3fffffff},
		}, {
			"AES made here has 256 bits", keyPolicy{id: "2", typ: "aes"}, false,
			psa.KeyAttributes{Type: psa.KeyAES, Bits: 256, Algorithm: psa.GCM, Usage: psa.UsageEncrypt | psa.UsageDecrypt, ID: 2},
		}, {
			"AES brought in has what it has", keyPolicy{id: "2", typ: "aes"}, true,
			psa.KeyAttributes{Type: psa.KeyAES, Algorithm: psa.GCM, Usage: psa.UsageEncrypt | psa.UsageDecrypt, ID: 2},
		}, {
			"unless a size is named", keyPolicy{id: "2", typ: "aes-128"}, true,
			psa.KeyAttributes{Type: psa.KeyAES, Bits: 128, Algorithm: psa.GCM, Usage: psa.UsageEncrypt | psa.UsageDecrypt, ID: 2},
		}, {
			"flags before defaults", keyPolicy{id: "3", typ: "hmac", bits: 512, alg: "hmac-sha-512", usage: "sign-message,export"}, false,
			psa.KeyAttributes{Type: psa.KeyHMAC, Bits: 512, Algorithm: psa.HMAC(psa.SHA512), Usage: psa.UsageSignMessage | psa.UsageExport, ID: 3},
		}, {
			"in the KMU", keyPolicy{id: "0x7fff3005", typ: "aes-128", location: "kmu"}, false,
			psa.KeyAttributes{Type: psa.KeyAES, Bits: 128, Lifetime: 0x804e4b01, Algorithm: psa.GCM, Usage: psa.UsageEncrypt | psa.UsageDecrypt, ID: 0x7fff3005},
		}, {
			"in the KMU for good", keyPolicy{id: "0x7fff0005", typ: "aes-128", location: "kmu", persistence: "locked"}, false,
			psa.KeyAttributes{Type: psa.KeyAES, Bits: 128, Lifetime: 0x804e4b03, Algorithm: psa.GCM, Usage: psa.UsageEncrypt | psa.UsageDecrypt, ID: 0x7fff0005},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want.Lifetime == psa.LifetimeVolatile {
				tt.want.Lifetime = psa.LifetimePersistent
			}
			got, err := tt.flags.attributes(tt.isImport)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestNothingIsExportableByDefault: a secret key leaves only if somebody said so.
func TestNothingIsExportableByDefault(t *testing.T) {
	for _, typ := range []psa.KeyType{psa.ECCPair(psa.SECPR1), psa.KeyAES, psa.KeyHMAC, psa.KeyDerive, psa.KeyRawData} {
		if _, usage, _ := customary(typ, 256); usage&(psa.UsageExport|psa.UsageCopy) != 0 {
			t.Errorf("%s: %s", typ, usage)
		}
	}
}
