package spe_test

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/attestation"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// Whatever a non-secure caller asks of any service, no partition panics or breaks
// a rule of the framework over it, and what is written fits.
func FuzzCall(f *testing.F) {
	core, faults := observer.New(zapcore.ErrorLevel)
	// The board with the most behind the services: it has keys in its KMU.
	gate := spetest.StartOn(f, "nrf54l15", spe.Options{Log: zap.New(core)}).Gate(f)
	handles := []veneer.Handle{crypto.Handle, its.Handle, ps.Handle, attestation.Handle}

	uid, word := []byte{7, 0, 0, 0, 0, 0, 0, 0}, []byte{0, 0, 0, 0}
	f.Add(uint8(1), int32(1001), uid, []byte("asset"), word, uint16(0), uint16(0))
	f.Add(uint8(1), int32(1002), uid, word, []byte(nil), uint16(16), uint16(0))
	f.Add(uint8(2), int32(1001), uid, []byte("asset"), word, uint16(0), uint16(0))
	f.Add(uint8(2), int32(1002), uid, word, []byte(nil), uint16(16), uint16(0))
	f.Add(uint8(2), int32(1003), uid, []byte(nil), []byte(nil), uint16(12), uint16(0))
	f.Add(uint8(2), int32(1005), []byte(nil), []byte(nil), []byte(nil), uint16(4), uint16(0))
	f.Add(uint8(3), int32(1001), make([]byte, 32), []byte(nil), []byte(nil), uint16(592), uint16(0))
	f.Add(uint8(3), int32(1002), []byte{32, 0, 0, 0}, []byte(nil), []byte(nil), uint16(4), uint16(0))
	block := make([]byte, 56)
	block[41] = 1 // generate_random
	f.Add(uint8(0), int32(0), block, []byte(nil), []byte(nil), uint16(32), uint16(0))
	key := psa.KeyAttributes{
		ID: psa.KMUKeyID(psa.KMUEncrypted, 8), Type: psa.KeyAES, Bits: 128, Lifetime: kmuLifetime(psa.PersistenceDefault),
		Usage: psa.UsageEncrypt | psa.UsageExport, Algorithm: psa.GCM,
	}
	call := func(fn crypto.FunctionID) []byte {
		return (&crypto.Request{Function: fn, Key: key.ID, Alg: psa.GCM, NonceLength: 12}).AppendTo(nil)
	}
	f.Add(uint8(0), int32(0), call(crypto.ImportKey), key.AppendTo(nil), make([]byte, 16), uint16(4), uint16(0))
	f.Add(uint8(0), int32(0), call(crypto.AEADEncrypt), []byte(nil), []byte("plain"), uint16(64), uint16(0))
	f.Add(uint8(0), int32(0), call(crypto.GetKeyAttributes), []byte(nil), []byte(nil), uint16(24), uint16(0))
	f.Add(uint8(0), int32(0), call(crypto.DestroyKey), []byte(nil), []byte(nil), uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, service uint8, typ int32, in0, in1, in2 []byte, cap0, cap1 uint16) {
		in := []veneer.InVec{in0, in1, in2}
		out := []veneer.OutVec{make([]byte, cap0), make([]byte, cap1)}
		if len(in2) > 0 {
			out = out[:1]
		} else {
			in = in[:2]
		}
		gate.Call(handles[int(service)%len(handles)], typ, in, out)
		if entries := faults.TakeAll(); len(entries) > 0 {
			t.Fatal(entries[0].Message, entries[0].ContextMap())
		}
	})
}
