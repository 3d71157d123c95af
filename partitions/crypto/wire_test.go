package crypto

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// signingKey is attributes that are fit to create a key with.
var signingKey = psa.KeyAttributes{
	Type: psa.ECCPair(psa.SECPR1), Bits: 256, Usage: psa.UsageSignHash, Algorithm: psa.ECDSA(psa.SHA256),
}

// TestRequestForm walks the rules for the request block and the vectors.
func TestRequestForm(t *testing.T) {
	w := newWorld(t)
	g := w.gate(appOwner)
	good := (&contract.Request{Function: contract.HashCompute, Alg: psa.SHA256}).AppendTo(nil)
	attrs := signingKey.AppendTo(nil)
	for _, c := range []struct {
		name string
		typ  int32
		in   [][]byte
		caps []int
		want veneer.Status
	}{
		{"any other type: NOT_SUPPORTED", 1, [][]byte{good}, nil, veneer.ErrNotSupported},
		{"no request block: GENERIC_ERROR", 0, nil, nil, veneer.ErrGenericError},
		{"52 bytes, an i386 client's block: GENERIC_ERROR", 0, [][]byte{good[:52]}, []int{32}, veneer.ErrGenericError},
		{"57 bytes: PROGRAMMER_ERROR", 0, [][]byte{append(bytes.Clone(good), 0)}, []int{32}, veneer.ErrProgrammerError},
		{"padding is ignored", 0, [][]byte{withPadding(good)}, []int{32}, veneer.Success},
		{"unknown function of a known group: NOT_SUPPORTED", 0, [][]byte{fn(0x0101)}, nil, veneer.ErrNotSupported},
		{"unknown group: NOT_SUPPORTED", 0, [][]byte{fn(0x0a00)}, nil, veneer.ErrNotSupported},
		{"function 0xffff: NOT_SUPPORTED", 0, [][]byte{fn(0xffff)}, nil, veneer.ErrNotSupported},
		{"abandoned open_key: NOT_SUPPORTED", 0, [][]byte{fn(contract.OpenKey)}, nil, veneer.ErrNotSupported},
		{"abandoned close_key: NOT_SUPPORTED", 0, [][]byte{fn(contract.CloseKey)}, nil, veneer.ErrNotSupported},
		{"a vector too many: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.DestroyKey), {1}}, nil, veneer.ErrProgrammerError},
		{"an output too many: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.DestroyKey)}, []int{1}, veneer.ErrProgrammerError},
		{"trailing empty vectors are absent", 0, [][]byte{good, nil, nil}, []int{32}, veneer.Success},
		{"attributes of 28 bytes: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.GenerateKey), append(bytes.Clone(attrs), 0, 0, 0, 0)}, []int{4}, veneer.ErrProgrammerError},
		{"no room for a key id: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.GenerateKey), attrs}, []int{3}, veneer.ErrProgrammerError},
		{"no room for a handle: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.HashSetup)}, []int{3}, veneer.ErrProgrammerError},
		{"no room for an int: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.CanDoHash)}, []int{3}, veneer.ErrProgrammerError},
		{"8 bytes for a capacity, a 64-bit size_t: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.KeyDerivationGetCapacity)}, []int{8}, veneer.ErrProgrammerError},
		{"can_do_cipher with a key type of 1 byte: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.CanDoCipher), {1}}, []int{4}, veneer.ErrProgrammerError},
		{"hash_clone with a target of 3 bytes: PROGRAMMER_ERROR", 0, [][]byte{fn(contract.HashClone), {0, 0, 0}}, []int{4}, veneer.ErrProgrammerError},
		{"a cipher: NOT_SUPPORTED", 0, [][]byte{fn(contract.CipherEncrypt), {1}}, []int{32}, veneer.ErrNotSupported},
		{"a multipart AEAD: NOT_SUPPORTED", 0, [][]byte{fn(contract.AEADEncryptSetup)}, []int{4}, veneer.ErrNotSupported},
		{"an asymmetric encryption: NOT_SUPPORTED", 0, [][]byte{fn(contract.AsymmetricEncrypt), {1}}, []int{32}, veneer.ErrNotSupported},
		{"abort of what cannot be set up: success", 0, [][]byte{fn(contract.CipherAbort)}, []int{4}, veneer.Success},
		{"list without room for one key: PROGRAMMER_ERROR", contract.CallList, [][]byte{u32(0)}, []int{23}, veneer.ErrProgrammerError},
		{"list after 3 bytes: PROGRAMMER_ERROR", contract.CallList, [][]byte{{0, 0, 0}}, []int{24}, veneer.ErrProgrammerError},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := make([]veneer.InVec, len(c.in))
			for i := range in {
				in[i] = c.in[i]
			}
			out := make([]veneer.OutVec, len(c.caps))
			for i := range out {
				out[i] = make(veneer.OutVec, c.caps[i])
			}
			if got := g.Call(contract.Handle, c.typ, in, out); got != c.want {
				t.Errorf("%v, want %v", got.Name(), c.want.Name())
			}
		})
	}
}

func fn(id contract.FunctionID) []byte { return (&contract.Request{Function: id}).AppendTo(nil) }

func withPadding(b []byte) []byte {
	b = bytes.Clone(b)
	copy(b[44:], "junk")
	return b
}

// TestEveryFunctionIsRouted checks that all 67 functions of the interface are in
// the table, but for the two that TF-M abandoned, and nothing else is.
func TestEveryFunctionIsRouted(t *testing.T) {
	want := map[int]int{1: 1, 2: 10, 3: 9, 4: 8, 5: 10, 6: 12, 7: 4, 8: 2, 9: 11}
	for group := range routes {
		for index := range routes[group] {
			id := group<<8 | index
			abandoned := id == int(contract.OpenKey) || id == int(contract.CloseKey)
			if got := routes[group][index].do != nil; got != (index < want[group] && !abandoned) {
				t.Errorf("function %#04x: routed is %v", id, got)
			}
		}
	}
}

// TestFailedCreationWritesNullKey: what fails to create a key writes 4 zero
// bytes, since callers look at the identifier.
func TestFailedCreationWritesNullKey(t *testing.T) {
	w := newWorld(t)
	odd := signingKey
	odd.Type = 0x1000
	large := signingKey
	large.Bits = psa.BitsTooLarge
	// As psa_get_key_attributes gives them for a volatile key.
	read := signingKey
	read.ID = 77
	for _, c := range []struct {
		name string
		req  contract.Request
		in   [][]byte
		want veneer.Status
	}{
		{"generate, odd parity", contract.Request{Function: contract.GenerateKey}, [][]byte{odd.AppendTo(nil)}, veneer.ErrInvalidArgument},
		{"generate, bits too large", contract.Request{Function: contract.GenerateKey}, [][]byte{large.AppendTo(nil)}, veneer.ErrInvalidArgument},
		{"generate, attributes of 28 bytes", contract.Request{Function: contract.GenerateKey}, [][]byte{make([]byte, 28)}, veneer.ErrProgrammerError},
		{"import, no attributes", contract.Request{Function: contract.ImportKey}, [][]byte{nil, {1}}, veneer.ErrProgrammerError},
		{"import, no data", contract.Request{Function: contract.ImportKey}, [][]byte{signingKey.AppendTo(nil)}, veneer.ErrInvalidArgument},
		{"copy of no key", contract.Request{Function: contract.CopyKey, Key: 77}, [][]byte{signingKey.AppendTo(nil)}, veneer.ErrInvalidHandle},
		{"copy of no key, with its attributes", contract.Request{Function: contract.CopyKey, Key: 77}, [][]byte{read.AppendTo(nil)}, veneer.ErrInvalidHandle},
		{"output_key without an operation", contract.Request{Function: contract.KeyDerivationOutputKey}, [][]byte{signingKey.AppendTo(nil)}, veneer.ErrBadState},
	} {
		t.Run(c.name, func(t *testing.T) {
			st, out := w.call(appOwner, c.req, c.in, 4)
			if st != c.want || !bytes.Equal(out[0], u32(0)) {
				t.Errorf("%v with %x, want %v with 4 zero bytes", st.Name(), out[0], c.want.Name())
			}
		})
	}
}

// setup returns the handle of a new operation.
func (w *world) setup(o veneer.Owner, r contract.Request) uint32 {
	w.t.Helper()
	st, out := w.call(o, r, nil, 4)
	if st != veneer.Success || len(out[0]) != 4 {
		w.t.Fatalf("setup of %#04x: %v with %x", r.Function, st.Name(), out[0])
	}
	return binary.LittleEndian.Uint32(out[0])
}

// TestOperationHandles walks the rules for operation handles.
func TestOperationHandles(t *testing.T) {
	w := newWorld(t)
	hash := contract.Request{Function: contract.HashSetup, Alg: psa.SHA256}
	op := func(f contract.FunctionID, h uint32) contract.Request {
		return contract.Request{Function: f, Operation: h, Alg: psa.SHA256}
	}
	check := func(name string, r contract.Request, in [][]byte, caps []int, want veneer.Status, handle uint32) {
		t.Helper()
		st, out := w.call(appOwner, r, in, caps...)
		if st != want || len(caps) > 0 && !bytes.Equal(out[0], u32(handle)) {
			t.Errorf("%s: %v with %x, want %v with handle %d", name, st.Name(), out, want.Name(), handle)
		}
	}
	h := w.setup(appOwner, hash)
	if h == 0 {
		t.Fatal("handle 0")
	}
	check("setup of an active object gives its handle back", op(contract.HashSetup, h), nil, []int{4}, veneer.ErrBadState, h)
	check("a failing setup writes 0", contract.Request{Function: contract.HashSetup, Alg: psa.HMAC(psa.SHA256)}, nil, []int{4}, veneer.ErrInvalidArgument, 0)
	check("an unsupported hash", contract.Request{Function: contract.HashSetup, Alg: psa.SHA1}, nil, []int{4}, veneer.ErrNotSupported, 0)
	check("update with an unknown handle", op(contract.HashUpdate, h+1), [][]byte{{1}}, nil, veneer.ErrBadState, 0)
	check("update of another kind", op(contract.MACUpdate, h), [][]byte{{1}}, nil, veneer.ErrBadState, 0)
	check("update of an inactive object", op(contract.HashUpdate, 0), [][]byte{{1}}, nil, veneer.ErrBadState, 0)
	check("finish with an unknown handle gives it back", op(contract.HashFinish, h+1), nil, []int{4, 32}, veneer.ErrBadState, h+1)
	check("clone into an active object", op(contract.HashClone, h), [][]byte{u32(9)}, []int{4}, veneer.ErrBadState, 9)
	check("clone of an inactive object", op(contract.HashClone, 0), [][]byte{u32(0)}, []int{4}, veneer.ErrBadState, 0)
	check("abort of another kind leaves the operation", op(contract.MACAbort, h), nil, []int{4}, veneer.Success, 0)
	check("update after that", op(contract.HashUpdate, h), [][]byte{{1}}, nil, veneer.Success, 0)
	check("a failing finish keeps the handle", op(contract.HashFinish, h), nil, []int{4, 31}, veneer.ErrBufferTooSmall, h)
	check("then only abort is legal: finish", op(contract.HashFinish, h), nil, []int{4, 32}, veneer.ErrBadState, h)
	check("then only abort is legal: update", op(contract.HashUpdate, h), [][]byte{{1}}, nil, veneer.ErrBadState, 0)
	check("abort", op(contract.HashAbort, h), nil, []int{4}, veneer.Success, 0)
	check("abort again", op(contract.HashAbort, h), nil, []int{4}, veneer.Success, 0)
	check("abort of an unknown handle writes 0", op(contract.HashAbort, 12345), nil, []int{4}, veneer.Success, 0)

	h = w.setup(appOwner, hash)
	check("a wrong hash fails and keeps the handle", op(contract.HashVerify, h), [][]byte{make([]byte, 32)}, []int{4}, veneer.ErrInvalidSignature, h)
	h = w.setup(appOwner, hash)
	check("finish writes 0", op(contract.HashFinish, h), nil, []int{4, 32}, veneer.Success, 0)
	check("and the operation is gone", op(contract.HashUpdate, h), [][]byte{{1}}, nil, veneer.ErrBadState, 0)

	h = w.setup(appOwner, hash)
	st, out := w.call(otherOwner, op(contract.HashFinish, h), nil, 4, 32)
	if st != veneer.ErrBadState || len(out[1]) != 0 {
		t.Errorf("another owner's operation: %v", st.Name())
	}
	same := appOwner
	same.Session = 999
	if st, _ = w.call(same, op(contract.HashFinish, h), nil, 4, 32); st != veneer.ErrBadState {
		t.Errorf("another session's operation: %v", st.Name())
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits = Limits{VolatileKeys: 2, Operations: 2, CachedKeys: 2} })
	c := w.client(appOwner)
	raw := psa.KeyAttributes{Type: psa.KeyRawData, Bits: 128}
	var last psa.KeyID
	for range 2 {
		id, err := c.Generate(raw)
		wantStatus(t, "a key within the limit", err, veneer.Success)
		if _, err := c.NewHash(psa.SHA256); err != nil {
			t.Errorf("an operation within the limit: %v", err)
		}
		last = id
	}
	_, err := c.Generate(raw)
	wantStatus(t, "a key too many", err, veneer.ErrInsufficientMemory)
	_, err = c.NewHash(psa.SHA256)
	wantStatus(t, "an operation too many", err, veneer.ErrInsufficientMemory)
	wantStatus(t, "destroy", c.Destroy(last), veneer.Success)
	id, err := c.Generate(raw)
	wantStatus(t, "a key in its place", err, veneer.Success)
	if id == last {
		t.Error("an identifier was used again at once")
	}
	_, err = w.client(otherOwner).Generate(raw)
	wantStatus(t, "another session's key", err, veneer.Success)
	// More persistent keys than are kept in memory.
	for id := psa.KeyID(1); id <= 5; id++ {
		k := raw
		k.ID, k.Lifetime, k.Usage = id, psa.LifetimePersistent, psa.UsageExport
		if _, err := c.Import(k, bytes.Repeat([]byte{byte(id)}, 16)); err != nil {
			t.Fatal(err)
		}
	}
	for id := psa.KeyID(1); id <= 5; id++ {
		if b, err := c.Export(id); err != nil || b[0] != byte(id) {
			t.Errorf("key %v: %x, %v", id, b, err)
		}
	}
}

func TestRandomFailsClosed(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Random = brokenRandom{} })
	st, out := w.call(appOwner, contract.Request{Function: contract.GenerateRandom}, nil, 16)
	if st != veneer.ErrInsufficientEntropy || len(out[0]) != 0 {
		t.Errorf("random: %v with %x", st.Name(), out[0])
	}
	_, err := w.client(appOwner).Generate(signingKey)
	wantStatus(t, "generate", err, veneer.ErrInsufficientEntropy)
	if st, _ := newWorld(t).call(appOwner, contract.Request{Function: contract.GenerateRandom}, nil); st != veneer.Success {
		t.Errorf("no bytes: %v", st.Name())
	}
}
