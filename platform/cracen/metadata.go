package cracen

import "github.com/postern-spe/postern/platform/kmu54l"

// Metadata is the metadata word of a key's first slot:
//
//	bits  3:0   version, 0
//	bits  5:4   usage scheme
//	bits 13:6   reserved
//	bits 19:14  algorithm
//	bits 22:20  size
//	bits 24:23  revocation policy
//	bits 31:25  usage flags
//
// The algorithm was 4 bits at 16 before, with numbers a quarter of today's, so
// the word is the same: here it has those numbers, and bits 15:14 are 0.
type Metadata uint32

// secondary is the metadata of a key's other slots.
const secondary uint32 = 0xFFFFFFFF

// Scheme is a usage scheme: where a key is pushed to, and in what form it rests.
type Scheme uint8

const (
	Protected Scheme = 0 // to the protected RAM: AES keys, which only the engine's AES sees
	Seed      Scheme = 1 // to the seed registers
	Encrypted Scheme = 2 // to the push area, encrypted under a key of MKEK's
	Raw       Scheme = 3 // to the push area
)

func (s Scheme) String() string {
	return [...]string{"PROTECTED", "SEED", "ENCRYPTED", "RAW"}[s&3]
}

// The values of the size field.
const (
	size128  = 1
	size192  = 2
	size255  = 3
	size256  = 4
	sizeSeed = 5
	size384  = 6
)

var sizeBits = [8]uint16{size128: 128, size192: 192, size255: 255, size256: 256, sizeSeed: 8 * SeedSize, size384: 384}

// Fields are the fields of a metadata word.
type Fields struct {
	Version   uint8
	Scheme    Scheme
	Algorithm uint8 // in the 4-bit numbering
	Size      uint8
	Policy    kmu54l.Policy
	Usage     uint8 // the flags of usageFlags, by bit
}

// Word returns the word with these fields.
func (f Fields) Word() Metadata {
	return Metadata(f.Version&0xF) | Metadata(f.Scheme&3)<<4 | Metadata(f.Algorithm&0xF)<<16 |
		Metadata(f.Size&7)<<20 | Metadata(f.Policy&3)<<23 | Metadata(f.Usage&0x7F)<<25
}

// Fields takes the word apart. Reserved bits are ErrCorruptionDetected.
func (m Metadata) Fields() (Fields, error) {
	f := Fields{
		Version:   uint8(m & 0xF),
		Scheme:    Scheme(m >> 4 & 3),
		Algorithm: uint8(m >> 16 & 0xF),
		Size:      uint8(m >> 20 & 7),
		Policy:    kmu54l.Policy(m >> 23 & 3),
		Usage:     uint8(m >> 25),
	}
	switch {
	case f.Version != 0:
		return f, ErrBadState
	case f.Word() != m:
		return f, ErrCorruptionDetected
	}
	return f, nil
}

// The usage flags of the PSA Crypto API that a key here can have.
const (
	UsageExport  uint32 = 0x1
	UsageCopy    uint32 = 0x2
	UsageEncrypt uint32 = 0x100
	UsageDecrypt uint32 = 0x200
	UsageSign    uint32 = 0x400 | 0x1000 // of messages and of hashes
	UsageVerify  uint32 = 0x800 | 0x2000
	UsageDerive  uint32 = 0x4000
)

// usageFlags are the PSA flags by their bit in the usage field. A key that may
// sign or verify messages may do it with hashes, too, and the other way round.
var usageFlags = [7]uint32{UsageEncrypt, UsageDecrypt, UsageSign, UsageVerify, UsageDerive, UsageExport, UsageCopy}

// Key types of the PSA Crypto API.
const (
	TypeRawData           uint16 = 0x1001
	TypeHMAC              uint16 = 0x1100
	TypeChaCha20          uint16 = 0x2004
	TypeAES               uint16 = 0x2400
	TypePublicSecpR1      uint16 = 0x4112
	TypePairSecpR1        uint16 = 0x7112
	TypePublicTwistedEdw  uint16 = 0x4142
	TypePairTwistedEdw    uint16 = 0x7142
	typePairBits          uint16 = 0x3000 // what makes a key pair's type of a public key's
	algECDSAAny           uint32 = 0x060006FF
	algSP800108           uint32 = 0x08000800
	usageVerifyDerivation uint32 = 0x8000
)

// algorithm is a value of the algorithm field: what PSA Crypto calls it, and for
// which keys.
type algorithm struct {
	psa  uint32   // what a key with it is said to have
	also []uint32 // what is taken for it when a key is provisioned
	typ  uint16   // its key type; the public one where there are two
	bits []uint16
}

// algorithms by their number. ECDSA forgets the hash.
var algorithms = [16]algorithm{
	1:  {psa: 0x04800100, typ: TypeChaCha20, bits: []uint16{256}},                                                   // STREAM_CIPHER
	2:  {psa: 0x05100500, typ: TypeChaCha20, bits: []uint16{256}},                                                   // CHACHA20_POLY1305
	3:  {psa: 0x05500200, typ: TypeAES, bits: []uint16{128, 192, 256}},                                              // GCM
	4:  {psa: 0x05500100, typ: TypeAES, bits: []uint16{128, 192, 256}},                                              // CCM
	5:  {psa: 0x04404400, typ: TypeAES, bits: []uint16{128, 192, 256}},                                              // ECB_NO_PADDING
	6:  {psa: 0x04C01000, typ: TypeAES, bits: []uint16{128, 192, 256}},                                              // CTR
	7:  {psa: 0x04404000, typ: TypeAES, bits: []uint16{128, 192, 256}},                                              // CBC_NO_PADDING
	8:  {psa: algSP800108, typ: TypeAES, bits: []uint16{128, 192, 256}},                                             // SP800_108_COUNTER_CMAC
	9:  {psa: 0x03C00200, typ: TypeAES, bits: []uint16{128, 192, 256}},                                              // CMAC
	10: {psa: 0x06000800, typ: TypePublicTwistedEdw, bits: []uint16{255}},                                           // PURE_EDDSA
	11: {psa: algECDSAAny, also: []uint32{0x06000609, 0x0600060A}, typ: TypePublicSecpR1, bits: []uint16{256, 384}}, // ECDSA
	12: {psa: 0x0600090B, typ: TypePublicTwistedEdw, bits: []uint16{255}},                                           // ED25519PH
	13: {psa: 0x03800009, typ: TypeHMAC, bits: []uint16{128, 192, 256, 384}},                                        // HMAC(SHA_256)
	14: {psa: algECDH, typ: TypePairSecpR1, bits: []uint16{256, 384}},                                               // ECDH
}

const algECDH uint32 = 0x09020000
