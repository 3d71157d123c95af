// Package crypto is the contract of the Crypto service, byte for byte that of
// TF-M's non-secure interface (TF-M 2.3, tfm_crypto_defs.h), and its typed
// client over any veneer.Gate: the non-secure application's and a secure
// partition's alike.
//
// A Client makes one gate call for each operation, keeps no key material and
// nothing else about a key, and is safe for concurrent use. The calls that
// programs repeat (random, hash, MAC, AEAD, signatures, attributes) allocate
// nothing of their own. Every error is a veneer.Status, so that
// errors.Is(err, veneer.ErrNotPermitted) holds; an answer that is not of the
// form the contract gives is veneer.ErrCommunicationFailure.
//
// The Crypto partition (package partitions/crypto) parses with the same types;
// there every byte of a Request is the attacker's.
package crypto

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// The service, as its manifest declares it: stateless, version 1 and no other.
const (
	SID     veneer.SID    = 0x00000080
	Version uint32        = 1
	Handle  veneer.Handle = 0x40000100
)

// The types of calls. Every function of the PSA Crypto API is a CallFunction,
// whose first input vector is a Request. CallList is this project's own: input
// vector 0 is a u32, the key identifier to start after, and the answer fills
// output vector 0 with the attributes of the caller's keys in ascending order of
// their identifiers, as many as fit.
const (
	CallFunction int32 = 0
	CallList     int32 = 0x4000
)

// FunctionID is the function of a Request: group in the high byte, index in the
// low one.
type FunctionID uint16

// The functions (TF-M 2.3, enum tfm_crypto_func_sid_t).
const (
	GenerateRandom FunctionID = 0x0100

	GetKeyAttributes FunctionID = 0x0200
	OpenKey          FunctionID = 0x0201 // abandoned
	CloseKey         FunctionID = 0x0202 // abandoned
	ImportKey        FunctionID = 0x0203
	DestroyKey       FunctionID = 0x0204
	ExportKey        FunctionID = 0x0205
	ExportPublicKey  FunctionID = 0x0206
	PurgeKey         FunctionID = 0x0207
	CopyKey          FunctionID = 0x0208
	GenerateKey      FunctionID = 0x0209

	HashCompute FunctionID = 0x0300
	HashCompare FunctionID = 0x0301
	HashSetup   FunctionID = 0x0302
	HashUpdate  FunctionID = 0x0303
	HashClone   FunctionID = 0x0304
	HashFinish  FunctionID = 0x0305
	HashVerify  FunctionID = 0x0306
	HashAbort   FunctionID = 0x0307
	CanDoHash   FunctionID = 0x0308

	MACCompute      FunctionID = 0x0400
	MACVerify       FunctionID = 0x0401
	MACSignSetup    FunctionID = 0x0402
	MACVerifySetup  FunctionID = 0x0403
	MACUpdate       FunctionID = 0x0404
	MACSignFinish   FunctionID = 0x0405
	MACVerifyFinish FunctionID = 0x0406
	MACAbort        FunctionID = 0x0407

	CipherEncrypt      FunctionID = 0x0500
	CipherDecrypt      FunctionID = 0x0501
	CipherEncryptSetup FunctionID = 0x0502
	CipherDecryptSetup FunctionID = 0x0503
	CipherGenerateIV   FunctionID = 0x0504
	CipherSetIV        FunctionID = 0x0505
	CipherUpdate       FunctionID = 0x0506
	CipherFinish       FunctionID = 0x0507
	CipherAbort        FunctionID = 0x0508
	CanDoCipher        FunctionID = 0x0509

	AEADEncrypt       FunctionID = 0x0600
	AEADDecrypt       FunctionID = 0x0601
	AEADEncryptSetup  FunctionID = 0x0602
	AEADDecryptSetup  FunctionID = 0x0603
	AEADGenerateNonce FunctionID = 0x0604
	AEADSetNonce      FunctionID = 0x0605
	AEADSetLengths    FunctionID = 0x0606
	AEADUpdateAD      FunctionID = 0x0607
	AEADUpdate        FunctionID = 0x0608
	AEADFinish        FunctionID = 0x0609
	AEADVerify        FunctionID = 0x060a
	AEADAbort         FunctionID = 0x060b

	SignMessage   FunctionID = 0x0700
	VerifyMessage FunctionID = 0x0701
	SignHash      FunctionID = 0x0702
	VerifyHash    FunctionID = 0x0703

	AsymmetricEncrypt FunctionID = 0x0800
	AsymmetricDecrypt FunctionID = 0x0801

	RawKeyAgreement           FunctionID = 0x0900
	KeyDerivationSetup        FunctionID = 0x0901
	KeyDerivationGetCapacity  FunctionID = 0x0902
	KeyDerivationSetCapacity  FunctionID = 0x0903
	KeyDerivationInputBytes   FunctionID = 0x0904
	KeyDerivationInputKey     FunctionID = 0x0905
	KeyDerivationInputInteger FunctionID = 0x0906
	KeyDerivationKeyAgreement FunctionID = 0x0907
	KeyDerivationOutputBytes  FunctionID = 0x0908
	KeyDerivationOutputKey    FunctionID = 0x0909
	KeyDerivationAbort        FunctionID = 0x090a
)

// RequestSize is the size in bytes of a Request on the wire.
const RequestSize = 56

// MaxNonce is the longest nonce in bytes that a one-shot AEAD carries.
const MaxNonce = 16

// Request is struct tfm_crypto_pack_iovec: input vector 0 of every CallFunction.
// Which fields matter, the function says; the others are ignored.
type Request struct {
	Key             psa.KeyID
	Alg             psa.Algorithm
	Operation       uint32 // handle of a multipart operation
	ADLength        uint32
	PlaintextLength uint32
	Nonce           [MaxNonce]byte // left-justified
	NonceLength     uint32
	Function        FunctionID
	Step            psa.DerivationStep
	// Value is the integer input of a derivation. A capacity is the low 32 bits
	// only; C clients leave the others as they find them.
	Value uint64
}

// AppendTo appends the 56 bytes of the request to b, little-endian:
//
//	0 key u32 | 4 algorithm u32 | 8 operation u32 | 12 AD length u32 |
//	16 plaintext length u32 | 20 nonce [16] | 36 nonce length u32 |
//	40 function u16 | 42 step u16 | 44 padding u32, zero | 48 value u64
func (r *Request) AppendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(r.Key))
	b = le.AppendUint32(b, uint32(r.Alg))
	b = le.AppendUint32(b, r.Operation)
	b = le.AppendUint32(b, r.ADLength)
	b = le.AppendUint32(b, r.PlaintextLength)
	b = append(b, r.Nonce[:]...)
	b = le.AppendUint32(b, r.NonceLength)
	b = le.AppendUint16(b, uint16(r.Function))
	b = le.AppendUint16(b, uint16(r.Step))
	b = le.AppendUint32(b, 0)
	return le.AppendUint64(b, r.Value)
}

// Parse sets r from exactly 56 bytes; another length is
// veneer.ErrProgrammerError and leaves r as it was. The padding is not looked
// at: C clients leave it uninitialised.
func (r *Request) Parse(b []byte) error {
	if len(b) != RequestSize {
		return veneer.ErrProgrammerError
	}
	le := binary.LittleEndian
	r.Key = psa.KeyID(le.Uint32(b))
	r.Alg = psa.Algorithm(le.Uint32(b[4:]))
	r.Operation = le.Uint32(b[8:])
	r.ADLength = le.Uint32(b[12:])
	r.PlaintextLength = le.Uint32(b[16:])
	copy(r.Nonce[:], b[20:])
	r.NonceLength = le.Uint32(b[36:])
	r.Function = FunctionID(le.Uint16(b[40:]))
	r.Step = psa.DerivationStep(le.Uint16(b[42:]))
	r.Value = le.Uint64(b[48:])
	return nil
}
