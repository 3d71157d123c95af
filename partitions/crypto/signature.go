package crypto

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/postern-spe/postern/veneer"
)

// PSA writes an ECDSA signature as r||s, each of the curve's size (Crypto API
// 1.5, PSA_ALG_ECDSA); Go as the ASN.1 structure of RFC 3279,
// SEQUENCE { r INTEGER, s INTEGER } in DER.

// rawSignature turns DER into r||s of numbers of size bytes.
func rawSignature(der []byte, size int) ([]byte, error) {
	var seq cryptobyte.String
	var r, s []byte
	in := cryptobyte.String(der)
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() ||
		!seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&s) || !seq.Empty() ||
		len(r) > size || len(s) > size {
		return nil, veneer.ErrGenericError
	}
	raw := make([]byte, 2*size)
	copy(raw[size-len(r):], r)
	copy(raw[2*size-len(s):], s)
	return raw, nil
}

// derSignature turns r||s of even length into DER.
func derSignature(raw []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addNumber(b, raw[:len(raw)/2])
		addNumber(b, raw[len(raw)/2:])
	})
	return b.Bytes()
}

// addNumber adds a big-endian number as an INTEGER of the shortest form.
func addNumber(b *cryptobyte.Builder, n []byte) {
	n = bytes.TrimLeft(n, "\x00")
	b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) {
		if len(n) == 0 || n[0]&0x80 != 0 {
			b.AddUint8(0)
		}
		b.AddBytes(n)
	})
}
