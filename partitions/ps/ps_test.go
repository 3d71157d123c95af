package ps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	contract "github.com/postern-spe/postern/veneer/ps"
)

func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// TestStatuses sends single messages, as TF-M's clients or hostile ones do. The
// store holds uid 1, "twelve bytes", uid 2, write-once and empty, and uid 4, which
// was created for 8 bytes and has "five!".
func TestStatuses(t *testing.T) {
	huge := uint32(0xffffffff)
	for _, c := range []struct {
		name   string
		typ    int32
		in     []veneer.InVec
		caps   []int
		status veneer.Status
		out    string
	}{
		{"get all", 1002, []veneer.InVec{u64(1), u32(0)}, []int{100}, 0, "twelve bytes"},
		{"get a part", 1002, []veneer.InVec{u64(1), u32(7)}, []int{3}, 0, "byt"},
		{"get from the end", 1002, []veneer.InVec{u64(1), u32(12)}, []int{3}, 0, ""},
		{"get without room", 1002, []veneer.InVec{u64(1), u32(3)}, nil, 0, ""},
		{"get empty", 1002, []veneer.InVec{u64(2), u32(0)}, []int{3}, 0, ""},
		{"get past the end", 1002, []veneer.InVec{u64(1), u32(13)}, []int{3}, -135, ""},
		{"get far past the end", 1002, []veneer.InVec{u64(1), u32(huge)}, []int{3}, -135, ""},
		{"get of uid 0", 1002, []veneer.InVec{u64(0), u32(0)}, []int{3}, -135, ""},
		{"get of nothing", 1002, []veneer.InVec{u64(3), u32(0)}, []int{3}, -140, ""},
		{"get with short uid", 1002, []veneer.InVec{make([]byte, 7), u32(0)}, []int{3}, -129, ""},
		{"info", 1003, []veneer.InVec{u64(1)}, []int{12}, 0, "\x0c\x00\x00\x00\x0c\x00\x00\x00\x06\x00\x00\x00"},
		{"info of write-once", 1003, []veneer.InVec{u64(2)}, []int{12}, 0, "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00"},
		{"info of nothing", 1003, []veneer.InVec{u64(3)}, []int{12}, -140, ""},
		{"info of uid 0", 1003, []veneer.InVec{u64(0)}, []int{12}, -135, ""},
		{"info with little room", 1003, []veneer.InVec{u64(1)}, []int{11}, -129, ""},
		{"set", 1001, []veneer.InVec{u64(3), []byte("x"), u32(7)}, nil, 0, ""},
		{"set nothing", 1001, []veneer.InVec{u64(3), nil, u32(0)}, nil, 0, ""},
		{"set again", 1001, []veneer.InVec{u64(1), []byte("x"), u32(0)}, nil, 0, ""},
		{"set uid 0", 1001, []veneer.InVec{u64(0), []byte("x"), u32(0)}, nil, -135, ""},
		{"set with unknown flag", 1001, []veneer.InVec{u64(3), []byte("x"), u32(8)}, nil, -134, ""},
		{"set with the flag of a hole", 1001, []veneer.InVec{u64(3), []byte("x"), u32(1 << 31)}, nil, -134, ""},
		{"set write-once", 1001, []veneer.InVec{u64(2), []byte("x"), u32(0)}, nil, -133, ""},
		{"set without flags", 1001, []veneer.InVec{u64(3), []byte("x")}, nil, -129, ""},
		{"set too much", 1001, []veneer.InVec{u64(3), make([]byte, 20000), u32(0)}, nil, -142, ""},
		{"set all that a call carries", 1001, []veneer.InVec{u64(3), make([]byte, veneer.MaxPayload-12), u32(0)}, nil, -142, ""},
		{"remove", 1004, []veneer.InVec{u64(1)}, nil, 0, ""},
		{"remove write-once", 1004, []veneer.InVec{u64(2)}, nil, -133, ""},
		{"remove nothing", 1004, []veneer.InVec{u64(3)}, nil, -140, ""},
		{"remove uid 0", 1004, []veneer.InVec{u64(0)}, nil, -135, ""},
		{"get of a created one", 1002, []veneer.InVec{u64(4), u32(0)}, []int{100}, 0, "five!"},
		{"get from the end of a created one", 1002, []veneer.InVec{u64(4), u32(5)}, []int{100}, 0, ""},
		{"get past the end of a created one", 1002, []veneer.InVec{u64(4), u32(6)}, []int{100}, -135, ""},
		{"info of a created one", 1003, []veneer.InVec{u64(4)}, []int{12}, 0, "\x08\x00\x00\x00\x05\x00\x00\x00\x06\x00\x00\x00"},
		{"remove a created one", 1004, []veneer.InVec{u64(4)}, nil, 0, ""},
		{"create", 0x4000, []veneer.InVec{u64(3), u32(100), u32(6)}, nil, 0, ""},
		{"create for nothing", 0x4000, []veneer.InVec{u64(3), u32(0), u32(0)}, nil, 0, ""},
		{"create of what was set", 0x4000, []veneer.InVec{u64(1), u32(12), u32(0)}, nil, -139, ""},
		{"create of what is write-once", 0x4000, []veneer.InVec{u64(2), u32(12), u32(0)}, nil, -139, ""},
		{"create again", 0x4000, []veneer.InVec{u64(4), u32(8), u32(0)}, nil, -139, ""},
		{"create uid 0", 0x4000, []veneer.InVec{u64(0), u32(8), u32(0)}, nil, -135, ""},
		{"create with unknown flag", 0x4000, []veneer.InVec{u64(3), u32(8), u32(8)}, nil, -134, ""},
		{"create write-once", 0x4000, []veneer.InVec{u64(3), u32(8), u32(1)}, nil, -134, ""},
		{"create with the flag of created ones", 0x4000, []veneer.InVec{u64(3), u32(8), u32(1 << 30)}, nil, -134, ""},
		{"create too much", 0x4000, []veneer.InVec{u64(3), u32(20000), u32(0)}, nil, -142, ""},
		{"create 4 GiB", 0x4000, []veneer.InVec{u64(3), u32(huge), u32(0)}, nil, -142, ""},
		{"create without flags", 0x4000, []veneer.InVec{u64(3), u32(8)}, nil, -129, ""},
		{"create with a long capacity", 0x4000, []veneer.InVec{u64(3), u64(8), u32(0)}, nil, -129, ""},
		{"set_extended over", 0x4001, []veneer.InVec{u64(4), []byte("xyz"), u32(1)}, nil, 0, ""},
		{"set_extended to the capacity", 0x4001, []veneer.InVec{u64(4), []byte("xyz"), u32(5)}, nil, 0, ""},
		{"set_extended past the capacity", 0x4001, []veneer.InVec{u64(4), []byte("four"), u32(5)}, nil, -135, ""},
		{"set_extended with a gap", 0x4001, []veneer.InVec{u64(4), []byte("x"), u32(6)}, nil, -135, ""},
		{"set_extended far past the end", 0x4001, []veneer.InVec{u64(4), []byte("x"), u32(huge)}, nil, -135, ""},
		{"set_extended nothing", 0x4001, []veneer.InVec{u64(4), nil, u32(5)}, nil, 0, ""},
		{"set_extended nothing past the end", 0x4001, []veneer.InVec{u64(4), nil, u32(6)}, nil, -135, ""},
		{"set_extended over what was set", 0x4001, []veneer.InVec{u64(1), []byte("TWELVE"), u32(0)}, nil, 0, ""},
		{"set_extended past what was set", 0x4001, []veneer.InVec{u64(1), []byte("x"), u32(12)}, nil, -135, ""},
		{"set_extended of write-once", 0x4001, []veneer.InVec{u64(2), nil, u32(0)}, nil, -133, ""},
		{"set_extended of nothing", 0x4001, []veneer.InVec{u64(3), []byte("x"), u32(0)}, nil, -140, ""},
		{"set_extended uid 0", 0x4001, []veneer.InVec{u64(0), []byte("x"), u32(0)}, nil, -135, ""},
		{"set_extended without offset", 0x4001, []veneer.InVec{u64(4), []byte("x")}, nil, -129, ""},
		{"type 0x4002", 0x4002, nil, nil, -129, ""},
		{"get_support", 1005, nil, []int{4}, 0, "\x01\x00\x00\x00"},
		{"get_support with an input", 1005, []veneer.InVec{u32(1)}, []int{4}, -129, ""},
		{"get_support with room for 8", 1005, nil, []int{8}, -129, ""},
		{"type 0", 0, nil, nil, -129, ""},
		{"type 1006", 1006, nil, []int{4}, -129, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if err := errors.Join(w.client(-1).Set(1, []byte("twelve bytes"), 6), w.client(-1).Set(2, nil, 1),
				w.client(-1).Create(4, 8, 6), w.client(-1).SetExtended(4, 0, []byte("five!"))); err != nil {
				t.Fatal(err)
			}
			before := w.save()
			out := make([]veneer.OutVec, len(c.caps))
			for i, n := range c.caps {
				out[i] = make([]byte, n)
			}
			status := w.gate(-1).Call(contract.Handle, c.typ, c.in, out)
			got := ""
			if len(out) > 0 {
				got = string(out[0])
			}
			if status != c.status || got != c.out {
				t.Errorf("status %d, output %q; want %d, %q", status, got, c.status, c.out)
			}
			// Only the medium can tell that it is full, after the root has been
			// written.
			if status != 0 && status != -142 && !bytes.Equal(w.protected.mem, before.mem) {
				t.Error("refused, and the medium has changed")
			}
			// The SPM logs what does not fit the service's messages by itself, and
			// Internal Trusted Storage what is too much for its area.
			if want := status != 0 && status != -129 && !strings.HasSuffix(c.name, "too much"); want != (len(w.logged) == 1) || len(w.logged) > 1 {
				t.Errorf("status %d, logged %q", status, w.logged)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	ids := []int32{-1, -2, 257, 300}
	for _, id := range ids {
		for _, size := range []int{0, 1, 100, 1500} {
			if err := w.client(id).Set(contract.UID(size+1), bytes.Repeat([]byte{byte(id)}, size), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func() {
		t.Helper()
		for _, id := range ids {
			for _, size := range []int{0, 1, 100, 1500} {
				data, err := w.client(id).ReadAll(contract.UID(size + 1))
				if err != nil || !bytes.Equal(data, bytes.Repeat([]byte{byte(id)}, size)) {
					t.Errorf("client %d, %d bytes: read %d, %v", id, size, len(data), err)
				}
			}
		}
	}
	check()
	if err := w.boot(); err != nil {
		t.Fatal(err)
	}
	check()

	// The medium in another device.
	w.huk[0] ^= 1
	if err := w.boot(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := w.client(id).ReadAll(101); !errors.Is(err, veneer.ErrInvalidSignature) {
			t.Errorf("another device, client %d: %v", id, err)
		}
	}
}

// failing is a Sealer whose key cannot be had.
type failing struct{}

func (failing) Nonce([]byte) error { return nil }

func (failing) Secret([]byte) error { return nil }

func (failing) Seal([]byte, int32, []byte, []byte, []byte) ([]byte, error) {
	return nil, veneer.ErrConnectionRefused
}

func (failing) Open([]byte, int32, []byte, []byte, []byte) ([]byte, error) {
	return nil, veneer.ErrInvalidHandle
}

func TestWithoutCrypto(t *testing.T) {
	w := newWorld(t)
	if err := w.client(-1).Set(1, []byte("old"), 0); err != nil {
		t.Fatal(err)
	}
	part := New(Config{Counter: w.counter, Sealer: func(veneer.Gate) Sealer { return failing{} }})
	if err := part.Init(w.gate(psID)); err != nil {
		t.Fatal(err)
	}
	with := w.services[contract.Handle]
	w.services[contract.Handle] = part.Services[ServiceName]
	if _, err := w.client(-1).ReadAll(1); !errors.Is(err, veneer.ErrGenericError) {
		t.Errorf("get: %v", err)
	}
	for uid := range contract.UID(2) {
		if err := w.client(-1).Set(uid+1, []byte("new"), 0); !errors.Is(err, veneer.ErrGenericError) {
			t.Errorf("set: %v", err)
		}
	}
	if err := w.client(-1).Remove(1); !errors.Is(err, veneer.ErrGenericError) {
		t.Errorf("remove: %v", err)
	}
	w.services[contract.Handle] = with
	if data, err := w.client(-1).ReadAll(1); err != nil || string(data) != "old" {
		t.Errorf("afterwards: %q, %v", data, err)
	}
}

// TestCryptoRestarts lets the keys that are kept in Crypto go away.
func TestCryptoRestarts(t *testing.T) {
	w := newWorld(t)
	for uid := range contract.UID(3 * keysKept) {
		if err := w.client(-1).Set(uid+1, u64(uint64(uid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	fresh := newWorld(t)
	for h := range w.services {
		if h != contract.Handle && h != its.Handle {
			w.services[h] = fresh.services[h]
		}
	}
	for uid := range contract.UID(3 * keysKept) {
		if data, err := w.client(-1).ReadAll(uid + 1); err != nil || !bytes.Equal(data, u64(uint64(uid))) {
			t.Errorf("uid %d: %x, %v", uid+1, data, err)
		}
	}
}
