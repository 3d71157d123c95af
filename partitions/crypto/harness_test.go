package crypto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	stdhkdf "crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"sync"
	"testing"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// world is a Crypto partition over an in-memory storage.
type world struct {
	t     testing.TB
	part  service.Partition
	store *memoryITS
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	return boot(t, &memoryITS{objects: make(map[uint64][]byte)}, change...)
}

// boot starts the partition over a storage that there is.
func boot(t testing.TB, store *memoryITS, change ...func(*Config)) *world {
	t.Helper()
	cfg := Config{Random: rand.Reader, Engine: newEngine(t)}
	for _, c := range change {
		c(&cfg)
	}
	w := &world{t: t, part: New(cfg), store: store}
	if err := w.part.Init(runtime{gate: store}); err != nil {
		t.Fatal(err)
	}
	return w
}

// runtime is what the partition gets from the SPM: here the gate to ITS alone.
type runtime struct {
	service.Runtime
	gate veneer.Gate
}

func (r runtime) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	return r.gate.Call(h, typ, in, out)
}

// gate is a caller's way to the partition: as the SPM does, it copies the input
// and the output, and gives the caller what the partition wrote.
type gate struct {
	veneer.Gate
	w     *world
	owner veneer.Owner
}

func (g gate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	cin, cout := make([]veneer.InVec, len(in)), make([]veneer.OutVec, len(out))
	for i := range in {
		cin[i] = bytes.Clone(in[i])
	}
	for i := range out {
		cout[i] = make(veneer.OutVec, len(out[i]))
	}
	var m service.Message
	m.Deliver(typ, g.owner, nil, true, cin, cout)
	err := g.w.part.Services["TFM_CRYPTO"](&m)
	var written [veneer.MaxIOVec]int
	m.Answer(&written)
	for i := range out {
		out[i] = out[i][:copy(out[i], cout[i][:written[i]])]
	}
	if err == nil {
		return veneer.Success
	}
	return err.(veneer.Status)
}

// appOwner is a non-secure application, psOwner a secure partition.
var (
	appOwner   = veneer.Owner{ClientID: -1, Session: 1}
	psOwner    = veneer.Owner{ClientID: 256, Session: 100}
	attOwner   = veneer.Owner{ClientID: attestationClient, Session: 101}
	otherOwner = veneer.Owner{ClientID: -2, Session: 2}
)

func (w *world) gate(o veneer.Owner) gate               { return gate{w: w, owner: o} }
func (w *world) client(o veneer.Owner) *contract.Client { return contract.New(w.gate(o)) }

// call makes a raw call and returns its status and the output vectors.
func (w *world) call(o veneer.Owner, r contract.Request, in [][]byte, caps ...int) (veneer.Status, []veneer.OutVec) {
	vecs := []veneer.InVec{r.AppendTo(nil)}
	for _, b := range in {
		vecs = append(vecs, b)
	}
	out := make([]veneer.OutVec, len(caps))
	for i, n := range caps {
		out[i] = make(veneer.OutVec, n)
	}
	st := w.gate(o).Call(contract.Handle, contract.CallFunction, vecs, out)
	return st, out
}

// memoryITS is the storage service in memory, with power that can fail.
type memoryITS struct {
	veneer.Gate
	mu      sync.Mutex
	objects map[uint64][]byte
	// writes counts down with every write; at 0 the power is gone: that write
	// and every later call fail.
	writes *int
}

func (s *memoryITS) powered(write bool) bool {
	if s.writes == nil {
		return true
	}
	if write && *s.writes > 0 {
		*s.writes--
		return true
	}
	return !write && *s.writes > 0
}

func (s *memoryITS) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h != its.Handle {
		return veneer.ErrProgrammerError
	}
	uid := binary.LittleEndian.Uint64(in[0])
	data, ok := s.objects[uid]
	write := typ == its.CallSet || typ == its.CallRemove
	switch {
	case typ == its.CallRemove && !ok, typ == its.CallGet && !ok:
		return veneer.ErrDoesNotExist
	case !s.powered(write):
		return veneer.ErrStorageFailure
	}
	switch typ {
	case its.CallSet:
		s.objects[uid] = bytes.Clone(in[1])
	case its.CallRemove:
		delete(s.objects, uid)
	case its.CallGet:
		out[0] = out[0][:copy(out[0], data[binary.LittleEndian.Uint32(in[1]):])]
	default:
		return veneer.ErrNotSupported
	}
	return veneer.Success
}

// engine is a crypto engine in software.
type engine struct {
	huk      []byte
	identity *ecdsa.PrivateKey
}

func newEngine(t testing.TB) *engine {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &engine{huk: bytes.Repeat([]byte{0x5a}, 32), identity: key}
}

func (e *engine) DeriveHUK(label, context, out []byte) error {
	key, err := stdhkdf.Key(sha256.New, e.huk, context, string(label), len(out))
	copy(out, key)
	return err
}

func (e *engine) IdentityPublicKey() ([]byte, error) { return e.identity.PublicKey.Bytes() }

func (e *engine) SignIdentity(hash []byte) ([]byte, error) {
	der, err := ecdsa.SignASN1(rand.Reader, e.identity, hash)
	if err != nil {
		return nil, err
	}
	return rawSignature(der, 32)
}

// brokenRandom is a random number generator that gives a little and then fails.
type brokenRandom struct{}

func (brokenRandom) Read(p []byte) (int, error) { return copy(p, "some"), io.ErrUnexpectedEOF }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// volatileKey imports a volatile key.
func volatileKey(t testing.TB, c *contract.Client, typ psa.KeyType, usage psa.Usage, alg psa.Algorithm, data []byte) psa.KeyID {
	t.Helper()
	id, err := c.Import(psa.KeyAttributes{Type: typ, Usage: usage, Algorithm: alg}, data)
	if err != nil {
		t.Fatalf("import %v: %v", typ, err)
	}
	return id
}

// wantStatus checks an error, which is nil or a veneer.Status.
func wantStatus(t testing.TB, name string, err error, want veneer.Status) {
	t.Helper()
	got := veneer.Success
	if err != nil {
		got = err.(veneer.Status)
	}
	if got != want {
		t.Errorf("%s: %v, want %v", name, got.Name(), want.Name())
	}
}
