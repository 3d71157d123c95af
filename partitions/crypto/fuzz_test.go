package crypto

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// FuzzService sends arbitrary requests to the service. A script is a row of
// calls; no panic may come of it, neither of the partition nor a *Violation of
// the message, nothing may be written past a capacity, and the partition still
// works afterwards.
//
// A call in the script: type u16, function u16, key u8 (which of the keys there
// are, or a raw value), operation u8, algorithm u32, lengths of up to 3 input
// vectors and 3 capacities u8 each, then the inputs' bytes.
func FuzzService(f *testing.F) {
	f.Add([]byte{})
	for g := range routes {
		for i := range routes[g] {
			f.Add(script(contract.FunctionID(g<<8|i), 1, psa.SHA256, 24, 16))
			f.Add(script(contract.FunctionID(g<<8|i), 2, psa.GCM, 0, 32))
			f.Add(script(contract.FunctionID(g<<8|i), 3, psa.ECDSA(psa.SHA256), 32, 64))
		}
	}
	multipart := append(script(contract.HashSetup, 0, psa.SHA256, 0, 0), script(contract.HashUpdate, 0, 0, 8, 0)...)
	f.Add(append(multipart, script(contract.HashFinish, 0, 0, 0, 0)...))
	derive := append(script(contract.KeyDerivationSetup, 0, psa.HKDF(psa.SHA256), 0, 0), script(contract.KeyDerivationInputKey, 4, 0, 0, 0)...)
	f.Add(append(derive, script(contract.KeyDerivationOutputKey, 0, 0, 24, 0)...))

	f.Add(script(contract.AEADEncrypt, 8, psa.GCM, 16, 64))
	f.Add(script(contract.SignHash, 9, psa.ECDSA(psa.SHA256), 32, 64))

	f.Fuzz(func(t *testing.T, b []byte) {
		w, slots := newSlotWorld(t)
		c := w.client(psOwner)
		slotCipher, slotSigner := inSlot(psa.KeyAES, psa.UsageAll, psa.GCM), inSlot(psa.ECCPair(psa.SECPR1), psa.UsageAll, psa.ECDSA(psa.AnyHash))
		slotCipher.Bits, slotSigner.Bits, slotSigner.ID = 256, 256, slotCipher.ID+2
		slots.put(slotCipher, secret)
		slots.put(slotSigner, ones)
		keys := []psa.KeyID{
			psa.NullKey,
			volatileKey(t, c, psa.KeyHMAC, psa.UsageAll, psa.HMAC(psa.SHA256), secret),
			volatileKey(t, c, psa.KeyAES, psa.UsageAll, psa.GCM, secret),
			volatileKey(t, c, psa.ECCPair(psa.SECPR1), psa.UsageAll, psa.ECDSA(psa.AnyHash), bytes.Repeat([]byte{1}, 32)),
			volatileKey(t, c, psa.KeyDerive, psa.UsageAll, psa.HKDF(psa.SHA256), secret),
			psa.HUK, psa.IAK, 7, slotCipher.ID, slotSigner.ID,
		}
		take := func(n int) []byte {
			n = min(n, len(b))
			part := b[:n]
			b = b[n:]
			return part
		}
		for range 8 {
			head := make([]byte, 16)
			if copy(head, take(16)) == 0 {
				break
			}
			r := contract.Request{
				Function: contract.FunctionID(binary.LittleEndian.Uint16(head[2:])), Key: keys[int(head[4])%len(keys)],
				Operation: uint32(head[5]), Alg: psa.Algorithm(binary.LittleEndian.Uint32(head[6:])),
				NonceLength: uint32(head[4] / 8), Step: psa.DerivationStep(head[5])<<8 | 1, Value: uint64(head[4]),
			}
			in := []veneer.InVec{r.AppendTo(nil)}
			var out []veneer.OutVec
			for i := range 3 {
				in = append(in, take(int(head[10+i])))
				out = append(out, make(veneer.OutVec, head[13+i]))
			}
			typ := int32(binary.LittleEndian.Uint16(head) & veneer.MaxCallType)
			if typ&1 == 0 {
				typ = contract.CallFunction
			}
			w.gate(psOwner).Call(contract.Handle, typ, in, out)
		}
		w.part.EndSession(psOwner)
		if _, err := c.Hash(psa.SHA256, nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// script is one call of a fuzz script.
func script(fn contract.FunctionID, key byte, alg psa.Algorithm, in1, out byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(fn))
	b = append(b, key, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(alg))
	b = append(b, in1, 0, 0, max(out, 4), 32, 0)
	if in1 == psa.AttributesSize {
		return (&psa.KeyAttributes{Type: psa.KeyAES, Bits: 128}).AppendTo(b)
	}
	return append(b, bytes.Repeat([]byte{1}, int(in1))...)
}

// FuzzKeyFile checks that a stored key is read only in the form in which it is
// written.
func FuzzKeyFile(f *testing.F) {
	f.Add(appendKeyFile(nil, &psa.KeyAttributes{Type: psa.KeyAES, Bits: 128, Lifetime: 1, ID: 7}, make([]byte, 16)))
	f.Add([]byte(keyFileMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		attrs, data, err := parseKeyFile(b, 7)
		if err != nil {
			return
		}
		if got := appendKeyFile(nil, &attrs, data); !bytes.Equal(got, b) {
			t.Errorf("%x is written as %x", b, got)
		}
		if k, err := newKey(attrs, data); err == nil {
			k.end()
		}
	})
}

// FuzzIndex does the same for the index.
func FuzzIndex(f *testing.F) {
	f.Add(appendIndex(nil, []psa.KeyID{1, 7, psa.UserIDMax}))
	f.Add([]byte(indexMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, err := parseIndex(b)
		if err != nil {
			return
		}
		if got := appendIndex(nil, ids); !bytes.Equal(got, b) {
			t.Errorf("%x is written as %x", b, got)
		}
	})
}
