package crypto

import (
	"bytes"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// TestRefusals walks what operations refuse, by the rule that refuses it.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	c := w.client(appOwner)
	var (
		ecdsa  = psa.ECDSA(psa.SHA256)
		hmac   = psa.HMAC(psa.SHA256)
		all    = psa.UsageAll
		hash   = make([]byte, 32)
		nonce  = make([]byte, 12)
		scalar = bytes.Repeat([]byte{1}, 32)
		pair   = volatileKey(t, c, psa.ECCPair(psa.SECPR1), all, ecdsa, scalar)
		point  = func() []byte { b, _ := c.ExportPublic(pair); return b }()
		anyKey = volatileKey(t, c, psa.ECCPair(psa.SECPR1), all, psa.ECDSAAny, scalar)
		public = volatileKey(t, c, psa.ECCPublic(psa.SECPR1), all, ecdsa, point)
		macKey = volatileKey(t, c, psa.KeyHMAC, all, hmac.AtLeast(4), secret)
		badMAC = volatileKey(t, c, psa.KeyRawData, all, hmac, secret)
		md5MAC = volatileKey(t, c, psa.KeyHMAC, all, psa.HMAC(psa.MD5), secret)
		aes    = volatileKey(t, c, psa.KeyAES, all, psa.GCM.AtLeast(4), secret)
		cmac   = volatileKey(t, c, psa.KeyAES, all, psa.CMAC, secret)
		ccm    = volatileKey(t, c, psa.KeyAES, all, psa.CCM, secret)
		aesRaw = volatileKey(t, c, psa.KeyRawData, all, psa.GCM, secret)
		long   = volatileKey(t, c, psa.KeyHMAC, all, hmac.Truncated(40), secret)
	)
	sig := make([]byte, 64)
	sign := func(k psa.KeyID, alg psa.Algorithm, h []byte, room int) error {
		_, err := c.SignHash(make([]byte, room), k, alg, h)
		return err
	}
	message := func(alg psa.Algorithm) error {
		_, err := c.SignMessage(make([]byte, 64), pair, alg, nil)
		return err
	}
	mac := func(k psa.KeyID, alg psa.Algorithm, room int) error {
		_, err := c.ComputeMAC(make([]byte, room), k, alg, nil)
		return err
	}
	seal := func(k psa.KeyID, alg psa.Algorithm, nonce []byte) error {
		_, err := c.Seal(nil, k, alg, nonce, nil, nil)
		return err
	}
	open := func(b []byte) error { _, err := c.Open(nil, aes, psa.GCM, nonce, b, nil); return err }
	sealed, err := c.Seal(nil, aes, psa.GCM, nonce, []byte("plain"), []byte("ad"))
	if err != nil {
		t.Fatal(err)
	}
	raw := func(fn contract.FunctionID, alg psa.Algorithm, nonceLen uint32, data []byte, room int) error {
		st, _ := w.call(appOwner, contract.Request{Function: fn, Key: aes, Alg: alg, NonceLength: nonceLen}, [][]byte{data}, room)
		return st.Err()
	}
	hashInto := func(alg psa.Algorithm, room int) error {
		_, err := c.HashInto(make([]byte, room), alg, nil)
		return err
	}
	export := func(id psa.KeyID, room int) error {
		st, _ := w.call(appOwner, contract.Request{Function: contract.ExportKey, Key: id}, nil, room)
		return st.Err()
	}
	exportPublic := func(id psa.KeyID) error { _, err := c.ExportPublic(id); return err }
	for _, tt := range []struct {
		name string
		err  error
		want veneer.Status
	}{
		{"null key", sign(psa.NullKey, ecdsa, hash, 64), veneer.ErrInvalidHandle},
		{"hash of another length", sign(pair, ecdsa, hash[:31], 64), veneer.ErrInvalidArgument},
		{"hash of no bytes", sign(anyKey, psa.ECDSAAny, nil, 64), veneer.ErrInvalidArgument},
		{"hash of one byte", sign(anyKey, psa.ECDSAAny, hash[:1], 64), veneer.Success},
		{"signature room", sign(pair, ecdsa, hash, 63), veneer.ErrBufferTooSmall},
		{"no signature algorithm", sign(pair, psa.GCM, hash, 64), veneer.ErrInvalidArgument},
		{"a wildcard to sign with", sign(pair, psa.ECDSA(psa.AnyHash), hash, 64), veneer.ErrInvalidArgument},
		{"another algorithm than the policy's", sign(pair, psa.ECDSA(psa.SHA384), make([]byte, 48), 97), veneer.ErrNotPermitted},
		{"sign with a public key", sign(public, ecdsa, hash, 64), veneer.ErrInvalidArgument},
		{"message with ECDSA_ANY", message(psa.ECDSAAny), veneer.ErrInvalidArgument},
		{"message with SHA-1", message(psa.ECDSA(psa.SHA1)), veneer.ErrNotSupported},
		{"message with a wildcard", message(psa.ECDSA(psa.AnyHash)), veneer.ErrInvalidArgument},
		{"wrong signature", c.VerifyHash(pair, ecdsa, hash, sig), veneer.ErrInvalidSignature},
		{"short signature", c.VerifyHash(pair, ecdsa, hash, sig[:63]), veneer.ErrInvalidSignature},
		{"empty signature", c.VerifyHash(pair, ecdsa, hash, nil), veneer.ErrInvalidSignature},
		{"r and s of all ones", c.VerifyHash(pair, ecdsa, hash, bytes.Repeat([]byte{0xff}, 64)), veneer.ErrInvalidSignature},

		{"MAC room", mac(macKey, hmac, 31), veneer.ErrBufferTooSmall},
		{"MAC of 3 bytes", mac(macKey, hmac.Truncated(3), 32), veneer.ErrNotPermitted},
		{"MAC longer than its hash", mac(long, hmac.Truncated(40), 64), veneer.ErrInvalidArgument},
		{"no MAC algorithm", mac(macKey, psa.SHA256, 32), veneer.ErrInvalidArgument},
		{"MAC wildcard", mac(macKey, hmac.AtLeast(4), 32), veneer.ErrInvalidArgument},
		{"HMAC with a key of another type", mac(badMAC, hmac, 32), veneer.ErrInvalidArgument},
		{"HMAC with MD5", mac(md5MAC, psa.HMAC(psa.MD5), 32), veneer.ErrNotSupported},
		{"CMAC", mac(cmac, psa.CMAC, 32), veneer.ErrNotSupported},
		{"wrong MAC", c.VerifyMAC(macKey, hmac, nil, hash), veneer.ErrInvalidSignature},
		{"short MAC", c.VerifyMAC(macKey, hmac, nil, hash[:4]), veneer.ErrInvalidSignature},

		{"nonce of no bytes", seal(aes, psa.GCM, nil), veneer.ErrInvalidArgument},
		{"nonce length past the field", raw(contract.AEADEncrypt, psa.GCM, 17, nil, 64), veneer.ErrInvalidArgument},
		{"nonce of 16 bytes", seal(aes, psa.GCM, make([]byte, 16)), veneer.Success},
		{"nonce of 16 bytes with a short tag", seal(aes, psa.GCM.Truncated(12), make([]byte, 16)), veneer.ErrNotSupported},
		{"tag of 8 bytes", seal(aes, psa.GCM.Truncated(8), nonce), veneer.ErrNotSupported},
		{"tag of 5 bytes", seal(aes, psa.GCM.Truncated(5), nonce), veneer.ErrInvalidArgument},
		{"AEAD wildcard", seal(aes, psa.GCM.AtLeast(12), nonce), veneer.ErrInvalidArgument},
		{"CCM", seal(ccm, psa.CCM, nonce), veneer.ErrNotSupported},
		{"GCM with a key of another type", seal(aesRaw, psa.GCM, nonce), veneer.ErrInvalidArgument},
		{"room for the tag", raw(contract.AEADEncrypt, psa.GCM, 12, []byte("p"), 16), veneer.ErrBufferTooSmall},
		{"ciphertext shorter than a tag", open(sealed[:15]), veneer.ErrInvalidArgument},
		{"room for the plaintext", raw(contract.AEADDecrypt, psa.GCM, 12, sealed, 4), veneer.ErrBufferTooSmall},
		{"without its additional data", open(sealed), veneer.ErrInvalidSignature},

		{"hash room", hashInto(psa.SHA256, 31), veneer.ErrBufferTooSmall},
		{"MD5", hashInto(psa.MD5, 32), veneer.ErrNotSupported},
		{"SHA-1", hashInto(psa.SHA1, 32), veneer.ErrNotSupported},
		{"any hash", hashInto(psa.AnyHash, 32), veneer.ErrNotSupported},
		{"no hash", hashInto(hmac, 32), veneer.ErrInvalidArgument},
		{"hash of another length to compare", c.CompareHash(psa.SHA256, nil, hash[:31]), veneer.ErrInvalidSignature},

		{"export room", export(aes, 31), veneer.ErrBufferTooSmall},
		{"export without room", export(aes, 0), veneer.ErrBufferTooSmall},
		{"public half of a symmetric key", exportPublic(aes), veneer.ErrInvalidArgument},
		{"destroy the null key", c.Destroy(psa.NullKey), veneer.Success},
		{"purge a volatile key", c.Purge(aes), veneer.Success},
		{"purge no key", c.Purge(psa.VolatileIDMax), veneer.ErrInvalidHandle},
	} {
		wantStatus(t, tt.name, tt.err, tt.want)
	}
	// A failed decryption gives nothing of the plaintext.
	sealed[0] ^= 1
	st, out := w.call(appOwner, contract.Request{Function: contract.AEADDecrypt, Key: aes, Alg: psa.GCM, NonceLength: 12}, [][]byte{sealed, []byte("ad")}, 64)
	if st != veneer.ErrInvalidSignature || len(out[0]) != 0 || !bytes.Equal(out[0][:5:5], make([]byte, 5)) {
		t.Errorf("a forged ciphertext: %v with %x", st.Name(), out[0][:5])
	}
}

// TestDerivationOrder walks the order of a derivation's calls. A letter is one:
// S salt, K secret as a key, B secret as bytes, I info, O output of 1 byte,
// C capacity 64, V capacity 5, A all 5 bytes and one more, Y output as a key,
// X an integer, W a step that HKDF has not, T an info of a wrong key type.
func TestDerivationOrder(t *testing.T) {
	ok, bad := veneer.Success, veneer.ErrBadState
	for calls, want := range map[string][]veneer.Status{
		"SKIO": {ok, ok, ok, ok}, "ISKO": {ok, ok, ok, ok}, "KO": {ok, ok}, "BO": {ok, ok},
		"KS": {ok, bad}, "SS": {ok, bad}, "KK": {ok, bad}, "II": {ok, bad}, "KOI": {ok, ok, bad}, "O": {bad}, "SO": {ok, bad},
		"KSK": {ok, bad, bad}, // after an error nothing works
		"KY":  {ok, ok}, "BY": {ok, veneer.ErrNotPermitted}, "Y": {bad},
		"VKO": {ok, ok, ok}, "VC": {ok, veneer.ErrInvalidArgument}, "VCKO": {ok, veneer.ErrInvalidArgument, ok, ok},
		"VKAO": {ok, ok, veneer.ErrInsufficientData, veneer.ErrInsufficientData},
		"X":    {veneer.ErrInvalidArgument}, "W": {veneer.ErrInvalidArgument}, "WK": {veneer.ErrInvalidArgument, bad},
		"T": {veneer.ErrInvalidArgument},
	} {
		t.Run(calls, func(t *testing.T) {
			c := newWorld(t).client(appOwner)
			alg := psa.HKDF(psa.SHA256)
			key := volatileKey(t, c, psa.KeyDerive, psa.UsageDerive, alg, secret)
			d, err := c.NewDerivation(alg)
			if err != nil {
				t.Fatal(err)
			}
			for i, call := range calls {
				var err error
				switch call {
				case 'S':
					err = d.InputBytes(psa.StepSalt, []byte("salt"))
				case 'K':
					err = d.InputKey(psa.StepSecret, key)
				case 'B':
					err = d.InputBytes(psa.StepSecret, secret)
				case 'I':
					err = d.InputBytes(psa.StepInfo, nil)
				case 'O':
					err = d.OutputBytes(make([]byte, 1))
				case 'C':
					err = d.SetCapacity(64)
				case 'V':
					err = d.SetCapacity(5)
				case 'A':
					err = d.OutputBytes(make([]byte, 6))
				case 'Y':
					_, err = d.OutputKey(psa.KeyAttributes{Type: psa.KeyAES, Bits: 128})
				case 'X':
					err = d.InputInteger(psa.StepCost, 1)
				case 'W':
					err = d.InputBytes(psa.StepSeed, nil)
				case 'T':
					err = d.InputKey(psa.StepInfo, key)
				}
				wantStatus(t, calls[:i+1], err, want[i])
			}
			wantStatus(t, "abort", d.Abort(), veneer.Success)
		})
	}
}

func TestDerivationCapacity(t *testing.T) {
	c := newWorld(t).client(appOwner)
	d, err := c.NewDerivation(psa.HKDF(psa.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	capacity := func(want uint32) {
		t.Helper()
		if got, err := d.Capacity(); err != nil || got != want {
			t.Errorf("capacity %d, %v; want %d", got, err, want)
		}
	}
	capacity(255 * 32)
	wantStatus(t, "unlimited", d.SetCapacity(psa.UnlimitedCapacity), veneer.ErrInvalidArgument)
	wantStatus(t, "secret", d.InputBytes(psa.StepSecret, secret), veneer.Success)
	wantStatus(t, "all of it", d.OutputBytes(make([]byte, 255*32)), veneer.Success)
	capacity(0)
	wantStatus(t, "one more", d.OutputBytes(make([]byte, 1)), veneer.ErrInsufficientData)
	for alg, want := range map[psa.Algorithm]veneer.Status{
		psa.SHA256: veneer.ErrInvalidArgument, psa.HKDF(psa.AnyHash): veneer.ErrInvalidArgument,
		psa.HKDF(psa.MD5): veneer.ErrNotSupported, psa.HKDFExtract(psa.SHA256): veneer.ErrNotSupported,
		psa.KeyAgreement(psa.ECDH, psa.HKDF(psa.SHA256)): veneer.ErrNotSupported,
	} {
		_, err := c.NewDerivation(alg)
		wantStatus(t, alg.String(), err, want)
	}
}

// TestDerivationInputLimit: the salt and the info, which the partition keeps, are
// bounded; the secret, of which it keeps a hash, is not.
func TestDerivationInputLimit(t *testing.T) {
	const most = 8 << 10
	c := newWorld(t).client(appOwner)
	for _, tt := range []struct {
		name string
		step psa.DerivationStep
		size int
		want veneer.Status
	}{
		{"longest salt", psa.StepSalt, most, veneer.Success},
		{"salt too long", psa.StepSalt, most + 1, veneer.ErrInsufficientMemory},
		{"longest info", psa.StepInfo, most, veneer.Success},
		{"info too long", psa.StepInfo, most + 1, veneer.ErrInsufficientMemory},
		{"long secret", psa.StepSecret, 4 * most, veneer.Success},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := c.NewDerivation(psa.HKDF(psa.SHA256))
			if err != nil {
				t.Fatal(err)
			}
			wantStatus(t, "input", d.InputBytes(tt.step, make([]byte, tt.size)), tt.want)
			wantStatus(t, "abort", d.Abort(), veneer.Success)
		})
	}
}
