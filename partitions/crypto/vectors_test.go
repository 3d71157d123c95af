package crypto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// hashVectors are the hashes of "abc" (FIPS 180-4 and FIPS 202 examples).
var hashVectors = []struct {
	alg  psa.Algorithm
	want string
}{
	{psa.SHA224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
	{psa.SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{psa.SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
	{psa.SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
	{psa.SHA512_256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"},
	{psa.SHA3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"},
	{psa.SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
	{psa.SHA3_384, "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25"},
	{psa.SHA3_512, "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"},
}

func TestHashVectors(t *testing.T) {
	c := newWorld(t).client(appOwner)
	for _, v := range hashVectors {
		t.Run(v.alg.String(), func(t *testing.T) {
			want := unhex(t, v.want)
			got, err := c.Hash(v.alg, []byte("abc"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("one call: %x, %v", got, err)
			}
			if err := c.CompareHash(v.alg, []byte("abc"), want); err != nil {
				t.Errorf("compare: %v", err)
			}
			h, err := c.NewHash(v.alg)
			if err != nil {
				t.Fatal(err)
			}
			h.Write([]byte("a"))
			other, err := h.Clone()
			if err != nil {
				t.Fatal(err)
			}
			h.Write([]byte("bc"))
			other.Write([]byte("bc"))
			if got, err = h.Finish(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("multipart: %x, %v", got, err)
			}
			if err := other.Verify(want); err != nil {
				t.Errorf("the clone: %v", err)
			}
		})
	}
}

// hmacVectors are RFC 4231, test cases 1, 2, 5 (truncated to 128 bits) and 6.
var hmacVectors = []struct {
	name, key, data, want string
	alg                   psa.Algorithm
}{
	{"case 1, SHA-224", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22", psa.HMAC(psa.SHA224)},
	{"case 1, SHA-256", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", psa.HMAC(psa.SHA256)},
	{"case 2, SHA-384", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649", psa.HMAC(psa.SHA384)},
	{"case 2, SHA-512", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737", psa.HMAC(psa.SHA512)},
	{"case 5, SHA-256 truncated to 128 bits", "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
		"546573742057697468205472756e636174696f6e", "a3b6167473100ee06e0c796c2955552b", psa.HMAC(psa.SHA256).Truncated(16)},
	{"case 5, SHA-512 truncated to 128 bits", "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
		"546573742057697468205472756e636174696f6e", "415fad6271580a531d4179bc891d87a6", psa.HMAC(psa.SHA512).Truncated(16)},
}

func TestHMACVectors(t *testing.T) {
	c := newWorld(t).client(appOwner)
	for _, v := range hmacVectors {
		t.Run(v.name, func(t *testing.T) {
			data, want := unhex(t, v.data), unhex(t, v.want)
			key := volatileKey(t, c, psa.KeyHMAC, psa.UsageSignMessage|psa.UsageVerifyMessage, v.alg, unhex(t, v.key))
			for range 3 { // the keyed state is used again
				var mac [64]byte
				n, err := c.ComputeMAC(mac[:], key, v.alg, data)
				if err != nil || !bytes.Equal(mac[:n], want) {
					t.Fatalf("one call: %x, %v", mac[:n], err)
				}
			}
			if err := c.VerifyMAC(key, v.alg, data, want); err != nil {
				t.Errorf("verify: %v", err)
			}
			m, err := c.NewMAC(key, v.alg)
			if err != nil {
				t.Fatal(err)
			}
			m.Write(data[:1])
			m.Write(data[1:])
			if got, err := m.Finish(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("multipart: %x, %v", got, err)
			}
			if m, err = c.NewMACVerifier(key, v.alg); err != nil {
				t.Fatal(err)
			}
			m.Write(data)
			if err := m.Verify(want); err != nil {
				t.Errorf("multipart verify: %v", err)
			}
		})
	}
}

// gcmVectors are test cases 1, 2, 4, 10 and 16 of the GCM specification (McGrew
// and Viega; NIST SP 800-38D submission).
var gcmVectors = []struct{ name, key, nonce, plain, ad, sealed string }{
	{"case 1, empty", "00000000000000000000000000000000", "000000000000000000000000", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
	{"case 2, one block", "00000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000", "",
		"0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
	{"case 4, 128 bits with data", "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", gcmPlain, gcmAD,
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"},
	{"case 10, 192 bits with data", "feffe9928665731c6d6a8f9467308308feffe9928665731c", "cafebabefacedbaddecaf888", gcmPlain, gcmAD,
		"3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda27102519498e80f1478f37ba55bd6d27618c"},
	{"case 16, 256 bits with data", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", gcmPlain, gcmAD,
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
	{"case 5, nonce of 8 bytes", "feffe9928665731c6d6a8f9467308308", "cafebabefacedbad", gcmPlain, gcmAD,
		"61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f45983612d2e79e3b0785561be14aaca2fccb"},
}

const (
	gcmPlain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
	gcmAD    = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
)

func TestGCMVectors(t *testing.T) {
	c := newWorld(t).client(appOwner)
	for _, v := range gcmVectors {
		t.Run(v.name, func(t *testing.T) {
			nonce, plain, ad, want := unhex(t, v.nonce), unhex(t, v.plain), unhex(t, v.ad), unhex(t, v.sealed)
			policy := psa.GCM.AtLeast(12)
			key := volatileKey(t, c, psa.KeyAES, psa.UsageEncrypt|psa.UsageDecrypt, policy, unhex(t, v.key))
			got, err := c.Seal(nil, key, psa.GCM, nonce, plain, ad)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("seal: %x, %v", got, err)
			}
			if back, err := c.Open(nil, key, psa.GCM, nonce, want, ad); err != nil || !bytes.Equal(back, plain) {
				t.Errorf("open: %x, %v", back, err)
			}
			if len(nonce) != 12 {
				return
			}
			for tag := 12; tag < 16; tag++ { // a shorter tag is the longer one's start
				alg := psa.GCM.Truncated(tag)
				short := want[:len(want)-16+tag]
				if got, err := c.Seal(nil, key, alg, nonce, plain, ad); err != nil || !bytes.Equal(got, short) {
					t.Errorf("seal, tag of %d: %x, %v", tag, got, err)
				}
				if back, err := c.Open(nil, key, alg, nonce, short, ad); err != nil || !bytes.Equal(back, plain) {
					t.Errorf("open, tag of %d: %x, %v", tag, back, err)
				}
			}
		})
	}
}

// hkdfVectors are RFC 5869, appendices A.1 to A.3.
var hkdfVectors = []struct{ name, secret, salt, info, want string }{
	{"A.1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
	{"A.2", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
		"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		"b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
	{"A.3, no salt and no info", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
}

func TestHKDFVectors(t *testing.T) {
	c := newWorld(t).client(appOwner)
	for _, v := range hkdfVectors {
		t.Run(v.name, func(t *testing.T) {
			want := unhex(t, v.want)
			key := volatileKey(t, c, psa.KeyDerive, psa.UsageDerive, psa.HKDF(psa.SHA256), unhex(t, v.secret))
			d, err := c.NewDerivation(psa.HKDF(psa.SHA256))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Abort()
			if v.salt != "" {
				if err := d.InputBytes(psa.StepSalt, unhex(t, v.salt)); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.InputKey(psa.StepSecret, key); err != nil {
				t.Fatal(err)
			}
			if v.info != "" {
				if err := d.InputBytes(psa.StepInfo, unhex(t, v.info)); err != nil {
					t.Fatal(err)
				}
			}
			got := make([]byte, len(want))
			for i := range got { // byte by byte: the stream is one
				if err := d.OutputBytes(got[i : i+1]); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%x", got)
			}
			// The same bytes as a key.
			attrs := psa.KeyAttributes{Type: psa.KeyRawData, Bits: uint16(len(want) * 8), Usage: psa.UsageExport}
			id, err := c.DeriveKey(key, psa.HKDF(psa.SHA256), unhex(t, v.salt), unhex(t, v.info), attrs)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Export(id); err != nil || !bytes.Equal(got, want) {
				t.Errorf("as a key: %x, %v", got, err)
			}
		})
	}
}

// RFC 6979, A.2.5 (P-256) and A.2.6 (P-384): message "sample".
var rfc6979Vectors = []struct {
	name, key, public, sig string
	alg                    psa.Algorithm
}{
	{"P-256, SHA-256", "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
		"0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
		"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
		psa.DeterministicECDSA(psa.SHA256)},
	{"P-384, SHA-384", "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5",
		"04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc138015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
		"94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe4699ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
		psa.DeterministicECDSA(psa.SHA384)},
}

func TestECDSAVectors(t *testing.T) {
	c := newWorld(t).client(appOwner)
	for _, v := range rfc6979Vectors {
		t.Run(v.name, func(t *testing.T) {
			want := unhex(t, v.sig)
			all := psa.UsageSignHash | psa.UsageVerifyHash
			key := volatileKey(t, c, psa.ECCPair(psa.SECPR1), all, v.alg, unhex(t, v.key))
			if got, err := c.ExportPublic(key); err != nil || !bytes.Equal(got, unhex(t, v.public)) {
				t.Errorf("public key: %x, %v", got, err)
			}
			var sig [contract.MaxSignature]byte
			n, err := c.SignMessage(sig[:], key, v.alg, []byte("sample"))
			if err != nil || !bytes.Equal(sig[:n], want) {
				t.Errorf("message: %x, %v", sig[:n], err)
			}
			hash, err := c.Hash(v.alg.Hash(), []byte("sample"))
			if err != nil {
				t.Fatal(err)
			}
			if n, err = c.SignHash(sig[:], key, v.alg, hash); err != nil || !bytes.Equal(sig[:n], want) {
				t.Errorf("hash: %x, %v", sig[:n], err)
			}
			// Verification takes either kind of ECDSA.
			public := volatileKey(t, c, psa.ECCPublic(psa.SECPR1), psa.UsageVerifyHash, v.alg, unhex(t, v.public))
			for _, alg := range []psa.Algorithm{v.alg, psa.ECDSA(v.alg.Hash())} {
				if err := c.VerifyHash(public, alg, hash, want); err != nil {
					t.Errorf("%v: %v", alg, err)
				}
				if err := c.VerifyMessage(key, alg, []byte("sample"), want); err != nil {
					t.Errorf("%v, message: %v", alg, err)
				}
			}
		})
	}
}

func TestSigner(t *testing.T) {
	c := newWorld(t).client(appOwner)
	for _, bits := range []uint16{256, 384, 521} {
		id, err := c.Generate(psa.KeyAttributes{
			Type: psa.ECCPair(psa.SECPR1), Bits: bits, Usage: psa.UsageSignHash, Algorithm: psa.ECDSA(psa.AnyHash),
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Signer(id)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256([]byte("message"))
		sig, err := s.Sign(rand.Reader, hash[:], stdHash(psa.SHA256))
		if err != nil {
			t.Fatal(err)
		}
		if !ecdsa.VerifyASN1(s.Public().(*ecdsa.PublicKey), hash[:], sig) {
			t.Errorf("P-%d: the signature does not verify", bits)
		}
	}
}
