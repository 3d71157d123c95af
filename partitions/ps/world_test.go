package ps

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/postern-spe/postern/partitions/crypto"
	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	cryptocontract "github.com/postern-spe/postern/veneer/crypto"
	itscontract "github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
)

// The client IDs of the partitions (TF-M).
const (
	psID     = 256
	cryptoID = 259
)

// huk is the hardware unique key of a device, as the engine gives it to Crypto.
type huk [32]byte

func (h huk) DeriveHUK(_, _, out []byte) error       { copy(out, h[:]); return nil }
func (huk) IdentityPublicKey() ([]byte, error)       { return nil, veneer.ErrHardwareFailure }
func (huk) SignIdentity(hash []byte) ([]byte, error) { return nil, veneer.ErrHardwareFailure }

// world is a device with the partitions that Protected Storage works with, wired
// without an SPM: a call goes to the handler of its handle.
type world struct {
	huk                 huk
	internal, protected *nor
	services            map[veneer.Handle]service.Handler
	part                *partition
	logged              []string // what the SPM logs of calls to Protected Storage
}

func newWorld(t testing.TB) *world { return newWorldOf(t, 4) }

// newWorldOf returns a device whose medium has some pages.
func newWorldOf(t testing.TB, pages int) *world {
	w := &world{internal: newNOR(4), protected: newNOR(pages)}
	copy(w.huk[:], "the hardware unique key of a dev")
	if err := w.boot(); err != nil {
		t.Fatal(err)
	}
	return w
}

// boot starts the partitions, in the order of their dependencies.
func (w *world) boot() error {
	p := &partition{}
	own := build(p, Config{})
	itsPart := its.New(its.Config{Internal: w.internal, Protected: w.protected})
	cryptoPart := crypto.New(crypto.Config{Random: rand.Reader, Engine: w.huk})
	w.part = p
	w.services = map[veneer.Handle]service.Handler{
		itscontract.Handle:    itsPart.Services["TFM_INTERNAL_TRUSTED_STORAGE_SERVICE"],
		cryptocontract.Handle: cryptoPart.Services["TFM_CRYPTO"],
		contract.Handle:       own.Services[ServiceName],
	}
	return errors.Join(itsPart.Init(nil), cryptoPart.Init(w.gate(cryptoID)), own.Init(w.gate(psID)))
}

func (w *world) gate(client int32) *gate             { return &gate{w: w, client: client} }
func (w *world) client(id int32) *contract.Client    { return contract.New(w.gate(id)) }
func (w *world) objects() *itscontract.Client        { return itscontract.New(w.gate(psID)) }
func (w *world) at(a Asset) itscontract.UID          { return w.part.store.slot(a) }
func (w *world) stored(t testing.TB, a Asset) []byte { return w.storedAt(t, w.at(a)) }

func (w *world) storedAt(t testing.TB, at itscontract.UID) []byte {
	t.Helper()
	b, err := w.objects().ReadAll(at)
	if err != nil {
		t.Fatalf("object %#x: %v", uint64(at), err)
	}
	return b
}

// gate calls services as one client; it is the runtime of a partition as well.
type gate struct {
	service.Runtime
	w      *world
	client int32
	msg    service.Message
}

func (g *gate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	handler, ok := g.w.services[h]
	if !ok {
		return veneer.ErrProgrammerError
	}
	g.msg.Deliver(typ, veneer.Owner{ClientID: g.client, Session: 1}, nil, true, in, out)
	err := handler(&g.msg)
	var written [veneer.MaxIOVec]int
	g.msg.Answer(&written)
	for i := range out {
		out[i] = out[i][:written[i]]
	}
	if err == nil {
		return veneer.Success
	}
	if _, bare := err.(veneer.Status); !bare && h == contract.Handle {
		g.w.logged = append(g.w.logged, err.Error())
	}
	return statusOf(err)
}

// statusOf is what the SPM makes of a handler's error.
func statusOf(err error) veneer.Status {
	s := veneer.ErrGenericError
	errors.As(err, &s)
	return s
}

const norPage = 4096

// nor is flash in memory that loses power at a point.
type nor struct {
	mem []byte
	cut int // words and erases until power fails; negative: never
	off bool
}

var errPower = errors.New("no power")

func newNOR(pages int) *nor {
	return &nor{mem: bytes.Repeat([]byte{0xff}, pages*norPage), cut: -1}
}

func (n *nor) clone() *nor   { return &nor{mem: bytes.Clone(n.mem), cut: -1} }
func (n *nor) Size() int     { return len(n.mem) }
func (n *nor) PageSize() int { return norPage }

func (n *nor) Read(off int, p []byte) error {
	if n.off {
		return errPower
	}
	copy(p, n.mem[off:])
	return nil
}

func (n *nor) powered() bool {
	if n.cut == 0 {
		n.off = true
	}
	n.cut--
	return !n.off
}

func (n *nor) Program(off int, p []byte) error {
	for i := 0; i < len(p); i += 4 {
		word := binary.LittleEndian.Uint32(p[i:])
		on := n.powered()
		if !on {
			word |= 0x00ff00ff // a torn word
		}
		cell := n.mem[off+i:]
		binary.LittleEndian.PutUint32(cell, binary.LittleEndian.Uint32(cell)&word)
		if !on {
			return errPower
		}
	}
	return nil
}

func (n *nor) Erase(off int) error {
	if !n.powered() {
		return errPower
	}
	for i := range n.mem[off : off+norPage] {
		n.mem[off+i] = 0xff
	}
	return nil
}
