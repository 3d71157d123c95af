package ps

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math"
	mathrand "math/rand/v2"
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
	counter             *counter
	services            map[veneer.Handle]service.Handler
	part                *partition
	logged              []string // what the SPM logs of calls to Protected Storage
	noticed             []string // what a start has found
}

func newWorld(t testing.TB) *world { return newWorldOf(t, 4) }

// newWorldOf returns a device whose medium has some pages.
func newWorldOf(t testing.TB, pages int) *world {
	w := &world{internal: newNOR(4), protected: newNOR(pages)}
	w.counter = &counter{supply: w.protected.supply}
	copy(w.huk[:], "the hardware unique key of a dev")
	if err := w.boot(); err != nil {
		t.Fatal(err)
	}
	return w
}

// boot starts the partitions, in the order of their dependencies.
func (w *world) boot() error {
	p := &partition{}
	own := build(p, Config{Counter: w.counter, Notice: func(line string) { w.noticed = append(w.noticed, line) }})
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

// saved is what outlives a restart: the medium, and the counter beside it.
type saved struct {
	mem   []byte
	count uint32
}

func (w *world) save() saved { return saved{bytes.Clone(w.protected.mem), w.counter.count} }

// restore puts a device back, with its counter: it is as if nothing had happened.
func (w *world) restore(s saved) {
	w.rollBack(s)
	w.counter.count = s.count
	*w.protected.supply = supply{cut: -1}
}

// cutAt starts a device in a state, lets the power fail that many points into a
// call, and starts it again: whether the call came so far, and what it answered.
func (w *world) cutAt(t testing.TB, state saved, cut int, do func() error) (off bool, err error) {
	t.Helper()
	w.restore(state)
	reboot(t, w)
	w.protected.cut = cut
	err = do()
	off = w.protected.off
	*w.protected.supply = supply{cut: -1}
	if err := w.boot(); err != nil {
		t.Fatalf("cut %d: %v", cut, err)
	}
	return off, err
}

// rollBack puts the medium back, and not the counter.
func (w *world) rollBack(s saved) { w.protected.mem = bytes.Clone(s.mem) }

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

// supply fails at a point.
type supply struct {
	cut  int // points until power fails; negative: never
	off  bool
	seed uint64 // of what is torn
}

var errPower = errors.New("no power")

// point reports whether there is power at the next point.
func (s *supply) point() bool {
	if s.cut == 0 {
		s.off = true
	}
	s.cut--
	return !s.off
}

// counter is a Counter on the same supply as the medium. Incrementing it has two
// points: before it has counted, and after.
type counter struct {
	*supply
	count uint32
}

func (c *counter) Read() (uint32, error) {
	if c.off {
		return 0, errPower
	}
	return c.count, nil
}

func (c *counter) Increment() error {
	if !c.point() {
		return errPower
	}
	if c.count == math.MaxUint32 {
		return errors.New("at its end")
	}
	if c.count++; !c.point() {
		return errPower
	}
	return nil
}

// nor is flash in memory. Each word and erase is a point of its supply.
type nor struct {
	*supply
	mem []byte
}

func newNOR(pages int) *nor {
	return &nor{mem: bytes.Repeat([]byte{0xff}, pages*norPage), supply: &supply{cut: -1}}
}

func (n *nor) Size() int     { return len(n.mem) }
func (n *nor) PageSize() int { return norPage }

func (n *nor) Read(off int, p []byte) error {
	if n.off {
		return errPower
	}
	copy(p, n.mem[off:])
	return nil
}

func (n *nor) Program(off int, p []byte) error {
	for i := 0; i < len(p); i += 4 {
		word := binary.LittleEndian.Uint32(p[i:])
		on := n.point()
		if !on {
			word |= n.torn(off + i)
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
	on := n.point()
	for i := off; i < off+norPage; i += 4 {
		cell, set := n.mem[i:], uint32(math.MaxUint32)
		if !on {
			set = n.torn(i)
		}
		binary.LittleEndian.PutUint32(cell, binary.LittleEndian.Uint32(cell)|set)
	}
	if !on {
		return errPower
	}
	return nil
}

// torn returns which bits of the word at off are set when the power fails while
// it is programmed or erased: the others are as they should be, or as they were.
func (n *nor) torn(off int) uint32 {
	if n.seed == 0 {
		return 0x00ff00ff
	}
	return mathrand.New(mathrand.NewPCG(n.seed, uint64(off))).Uint32()
}
