package its_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// device is what outlives a restart of the partition.
type device struct{ internal, protected *flashtest.Flash }

func newDevice() *device { return &device{flashtest.New(2), flashtest.New(4)} }

// boot starts the partition on the device and returns its service.
func (d *device) boot(t testing.TB) service.Handler {
	t.Helper()
	return d.bootWith(t, its.Config{})
}

// bootWith is boot with a configuration, but for the areas.
func (d *device) bootWith(t testing.TB, cfg its.Config) service.Handler {
	t.Helper()
	cfg.Internal, cfg.Protected = d.internal, d.protected
	p := its.New(cfg)
	if err := p.Init(nil); err != nil {
		t.Fatal(err)
	}
	return p.Services[its.ServiceName]
}

// gate calls the partition as one client, without an SPM between them.
type gate struct {
	client  int32
	handler service.Handler
	msg     service.Message
	logged  []string // what the SPM logs of calls
}

func (g *gate) FrameworkVersion() uint32 { return veneer.FrameworkVersion11 }

func (g *gate) Version(veneer.SID) uint32 { return contract.Version }

func (g *gate) Close(veneer.Handle) {}

func (g *gate) owner() veneer.Owner { return veneer.Owner{ClientID: g.client, Session: 1} }

func (g *gate) as(client int32) *gate { return &gate{client: client, handler: g.handler} }

func (g *gate) storage() *contract.Client { return contract.New(g) }

func (g *gate) Connect(veneer.SID, uint32) (veneer.Handle, error) {
	return 0, veneer.ErrProgrammerError
}

func (g *gate) Call(_ veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	g.msg.Deliver(typ, g.owner(), nil, true, in, out)
	err := g.handler(&g.msg)
	var written [veneer.MaxIOVec]int
	g.msg.Answer(&written)
	for i := range out {
		out[i] = out[i][:written[i]]
	}
	if _, bare := err.(veneer.Status); err != nil && !bare {
		g.logged = append(g.logged, err.Error())
	}
	return statusOf(err)
}

// statusOf is what the SPM makes of a handler's error.
func statusOf(err error) veneer.Status {
	if err == nil {
		return veneer.Success
	}
	s := veneer.ErrGenericError
	errors.As(err, &s)
	return s
}

func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// TestStatuses sends single messages, as TF-M's clients or hostile ones do. The
// store holds uid 1, "twelve bytes", and uid 2, write-once and empty.
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
		{"get with no room", 1002, []veneer.InVec{u64(1), u32(3)}, []int{0}, 0, ""},
		{"get without out vector", 1002, []veneer.InVec{u64(1), u32(3)}, nil, 0, ""},
		{"get empty", 1002, []veneer.InVec{u64(2), u32(0)}, []int{3}, 0, ""},
		{"get past the end", 1002, []veneer.InVec{u64(1), u32(13)}, []int{3}, -135, ""},
		{"get far past the end", 1002, []veneer.InVec{u64(1), u32(huge)}, []int{3}, -135, ""},
		{"get past the end without room", 1002, []veneer.InVec{u64(1), u32(13)}, nil, -135, ""},
		{"get of uid 0", 1002, []veneer.InVec{u64(0), u32(0)}, []int{3}, -135, ""},
		{"get of nothing", 1002, []veneer.InVec{u64(3), u32(0)}, []int{3}, -140, ""},
		{"get of nothing, far", 1002, []veneer.InVec{u64(3), u32(huge)}, []int{3}, -140, ""},
		{"get with short uid", 1002, []veneer.InVec{make([]byte, 7), u32(0)}, []int{3}, -129, ""},
		{"get with long offset", 1002, []veneer.InVec{u64(1), u64(0)}, []int{3}, -129, ""},
		{"get with a vector more", 1002, []veneer.InVec{u64(1), u32(0), u32(0)}, []int{3}, -129, ""},
		{"get without vectors", 1002, nil, nil, -129, ""},
		{"info", 1003, []veneer.InVec{u64(1)}, []int{12}, 0, "\x0c\x00\x00\x00\x0c\x00\x00\x00\x06\x00\x00\x00"},
		{"info of write-once", 1003, []veneer.InVec{u64(2)}, []int{12}, 0, "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00"},
		{"info of nothing", 1003, []veneer.InVec{u64(3)}, []int{12}, -140, ""},
		{"info of uid 0", 1003, []veneer.InVec{u64(0)}, []int{12}, -135, ""},
		{"info with little room", 1003, []veneer.InVec{u64(1)}, []int{11}, -129, ""},
		{"info with much room", 1003, []veneer.InVec{u64(1)}, []int{24}, -129, ""},
		{"set", 1001, []veneer.InVec{u64(3), []byte("x"), u32(7)}, nil, 0, ""},
		{"set nothing", 1001, []veneer.InVec{u64(3), nil, u32(0)}, nil, 0, ""},
		{"set uid 0", 1001, []veneer.InVec{u64(0), []byte("x"), u32(0)}, nil, -135, ""},
		{"set with unknown flag", 1001, []veneer.InVec{u64(3), []byte("x"), u32(8)}, nil, -134, ""},
		{"set with high flag", 1001, []veneer.InVec{u64(3), []byte("x"), u32(0x100)}, nil, -134, ""},
		{"set with the flag of Protected Storage", 1001, []veneer.InVec{u64(3), []byte("x"), u32(1 << 31)}, nil, -134, ""},
		{"set write-once", 1001, []veneer.InVec{u64(2), []byte("x"), u32(0)}, nil, -133, ""},
		{"set without flags", 1001, []veneer.InVec{u64(3), []byte("x")}, nil, -129, ""},
		{"set with room", 1001, []veneer.InVec{u64(3), []byte("x"), u32(0)}, []int{1}, -129, ""},
		{"set too much", 1001, []veneer.InVec{u64(3), make([]byte, 8192), u32(0)}, nil, -142, ""},
		{"remove", 1004, []veneer.InVec{u64(1)}, nil, 0, ""},
		{"remove write-once", 1004, []veneer.InVec{u64(2)}, nil, -133, ""},
		{"remove nothing", 1004, []veneer.InVec{u64(3)}, nil, -140, ""},
		{"remove uid 0", 1004, []veneer.InVec{u64(0)}, nil, -135, ""},
		{"remove with a vector more", 1004, []veneer.InVec{u64(1), u32(0)}, nil, -129, ""},
		{"type 0", 0, nil, nil, -134, ""},
		{"type 1005", 1005, nil, []int{4}, -134, ""},
		{"type 32767", 32767, nil, nil, -134, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDevice()
			g := &gate{client: -1, handler: d.boot(t)}
			if g.storage().Set(1, []byte("twelve bytes"), 6) != nil || g.storage().Set(2, nil, 1) != nil {
				t.Fatal("set")
			}
			before := d.internal.Image()
			out := make([]veneer.OutVec, len(c.caps))
			for i, n := range c.caps {
				out[i] = make([]byte, n)
			}
			status := g.Call(contract.Handle, c.typ, c.in, out)
			got := ""
			if len(out) > 0 {
				got = string(out[0])
			}
			if status != c.status || got != c.out {
				t.Errorf("status %d, output %q; want %d, %q", status, got, c.status, c.out)
			}
			if status != 0 && !bytes.Equal(d.internal.Image(), before) {
				t.Error("refused, and the area has changed")
			}
			// The SPM logs what does not fit the service's messages by itself.
			wrongForm := status == -129 || c.typ < 1001 || c.typ > 1004
			if want := status != 0 && !wrongForm; want != (len(g.logged) == 1) || len(g.logged) > 1 {
				t.Errorf("status %d, logged %q", status, g.logged)
			}
		})
	}
}

func TestOwnersAreApart(t *testing.T) {
	d := newDevice()
	g := &gate{client: -1, handler: d.boot(t)}
	owners := []int32{-1, -2, -0x3c000000, 256, 257, 259, 0x7fffffff}
	for _, id := range owners {
		if err := g.as(id).storage().Set(7, fmt.Append(nil, "of ", id), 0); err != nil {
			t.Fatal(err)
		}
	}
	g.handler = d.boot(t)
	for _, id := range owners {
		data, err := g.as(id).storage().ReadAll(7)
		if err != nil || string(data) != fmt.Sprint("of ", id) {
			t.Errorf("client %d reads %q, %v", id, data, err)
		}
	}
	if err := g.as(-1).storage().Remove(7); err != nil {
		t.Fatal(err)
	}
	if _, err := g.as(-2).storage().Info(7); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(d.protected.Image(), []byte("of 256")) || bytes.Contains(d.internal.Image(), []byte("of 256")) {
		t.Error("the assets of Protected Storage are not in its area")
	}
}

// TestFullAreas fills the area of everybody: Protected Storage is not concerned,
// and each owner can remove what is his.
func TestFullAreas(t *testing.T) {
	g := &gate{client: -1, handler: newDevice().boot(t)}
	c, n := g.storage(), contract.UID(1)
	for ; ; n++ {
		if err := c.Set(n, make([]byte, 512), 0); errors.Is(err, veneer.ErrInsufficientStorage) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := g.as(256).storage().Set(1, make([]byte, 2048), 0); err != nil {
		t.Errorf("protected area: %v", err)
	}
	for uid := contract.UID(1); uid < n; uid++ {
		if err := c.Remove(uid); err != nil {
			t.Errorf("remove %d of %d: %v", uid, n-1, err)
		}
	}
}

func TestFailingFlash(t *testing.T) {
	d := newDevice()
	g := &gate{client: -1, handler: d.boot(t)}
	if err := g.storage().Set(1, []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	d.internal.Fail = func(string, int) bool { return true }
	if _, err := g.storage().Get(1, 0, make([]byte, 5)); !errors.Is(err, veneer.ErrStorageFailure) {
		t.Errorf("get: %v", err)
	}
	if err := g.storage().Set(1, []byte("other"), 0); !errors.Is(err, veneer.ErrStorageFailure) {
		t.Errorf("set: %v", err)
	}
	d.internal.Fail = nil
	if data, err := g.storage().ReadAll(1); err != nil || string(data) != "value" {
		t.Errorf("afterwards: %q, %v", data, err)
	}
}
