package its_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// TestModel drives the service with several clients and restarts against a map,
// as it is configured in several ways.
func TestModel(t *testing.T) {
	limits := its.Limits{Bytes: 1500, Assets: 3, AssetSize: 600}
	for name, cfg := range map[string]its.Config{
		"plain":             {},
		"sealed":            sealed,
		"limited":           {Limits: limits},
		"sealed and limits": {Limits: limits, Clients: map[int32]its.Limits{-2: {}, 259: {Bytes: 900, Assets: 2, AssetSize: 500}}, Engine: sealed.Engine, Random: sealed.Random},
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, func(rt *rapid.T) { drive(t, rt, cfg) }) })
	}
}

func drive(t *testing.T, rt *rapid.T, cfg its.Config) {
	type key struct {
		client int32
		uid    contract.UID
	}
	type value struct {
		data  string
		flags contract.Flags
	}
	clients := []int32{-1, -2, 256, 259}
	d := newDevice()
	g := &gate{handler: d.bootWith(t, cfg)}
	m := map[key]value{}
	draw := func(t *rapid.T) (key, *contract.Client) {
		k := key{rapid.SampledFrom(clients).Draw(t, "client"), contract.UID(rapid.Uint64Range(0, 4).Draw(t, "uid"))}
		return k, g.as(k.client).storage()
	}
	// within applies the limits to a set.
	within := func(k key, size int) bool {
		l, ok := cfg.Clients[k.client]
		if !ok && k.client < 0 {
			l = cfg.Limits
		}
		if k.client == 256 || l == (its.Limits{}) {
			return true
		}
		old, exists := m[k]
		if exists && size <= len(old.data) {
			return true
		}
		assets, bytes := 1, size
		for other, v := range m {
			if other != k && other.client == k.client {
				assets, bytes = assets+1, bytes+len(v.data)
			}
		}
		return size <= l.AssetSize && bytes <= l.Bytes && (exists || assets <= l.Assets)
	}
	rt.Repeat(map[string]func(*rapid.T){
		"set": func(t *rapid.T) {
			k, c := draw(t)
			v := value{string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "data")),
				rapid.SampledFrom([]contract.Flags{0, 0, 0, 0, 2, 4, 6, 0, 0, 1, 8, 0x80, 0x100}).Draw(t, "flags")}
			want := veneer.Success
			switch {
			case k.uid == 0:
				want = veneer.ErrInvalidArgument
			case v.flags > 7:
				want = veneer.ErrNotSupported
			case m[k].flags&1 != 0:
				want = veneer.ErrNotPermitted
			case !within(k, len(v.data)):
				want = veneer.ErrInsufficientStorage
			}
			got := statusOf(c.Set(k.uid, []byte(v.data), v.flags))
			if got != want && !(want == veneer.Success && got == veneer.ErrInsufficientStorage) {
				t.Fatalf("set: %v; want %v", got, want)
			}
			if got == veneer.Success {
				m[k] = v
			}
		},
		"get": func(t *rapid.T) {
			k, c := draw(t)
			offset, buf := rapid.IntRange(0, 720).Draw(t, "offset"), make([]byte, rapid.IntRange(0, 720).Draw(t, "size"))
			want := veneer.Success
			v, ok := m[k]
			switch {
			case k.uid == 0:
				want = veneer.ErrInvalidArgument
			case !ok:
				want = veneer.ErrDoesNotExist
			case offset > len(v.data):
				want = veneer.ErrInvalidArgument
			}
			n, err := c.Get(k.uid, uint32(offset), buf)
			if statusOf(err) != want {
				t.Fatalf("get: %v; want %v", err, want)
			}
			if err == nil && string(buf[:n]) != v.data[offset:min(len(v.data), offset+len(buf))] {
				t.Fatalf("get of %d bytes at %d: %d bytes", len(buf), offset, n)
			}
		},
		"remove": func(t *rapid.T) {
			k, c := draw(t)
			want := veneer.Success
			v, ok := m[k]
			switch {
			case k.uid == 0:
				want = veneer.ErrInvalidArgument
			case !ok:
				want = veneer.ErrDoesNotExist
			case v.flags&1 != 0:
				want = veneer.ErrNotPermitted
			}
			if err := c.Remove(k.uid); statusOf(err) != want {
				t.Fatalf("remove: %v; want %v", err, want)
			}
			if want == veneer.Success {
				delete(m, k)
			}
		},
		"restart": func(*rapid.T) { g.handler = d.bootWith(t, cfg) },
		"": func(t *rapid.T) {
			for _, client := range clients {
				for uid := contract.UID(1); uid <= 4; uid++ {
					v, ok := m[key{client, uid}]
					data, err := g.as(client).storage().ReadAll(uid)
					if ok != (err == nil) || string(data) != v.data || !ok && !errors.Is(err, veneer.ErrDoesNotExist) {
						t.Fatalf("client %d uid %d: %d bytes, %v; want %d, %v", client, uid, len(data), err, len(v.data), ok)
					}
					want := contract.Info{Capacity: uint32(len(v.data)), Size: uint32(len(v.data)), Flags: v.flags}
					if info, err := g.as(client).storage().Info(uid); ok && (err != nil || info != want) {
						t.Fatalf("client %d uid %d: %+v, %v; want %+v", client, uid, info, err, want)
					}
				}
			}
		},
	})
}

// TestCallsAllocateNothing counts the client, the message and the partition. Under
// the race detector pools lose things on purpose, less than one for a call.
func TestCallsAllocateNothing(t *testing.T) {
	c := (&gate{client: -1, handler: newDevice().boot(t)}).storage()
	data, buf := make([]byte, 512), make([]byte, 512)
	if err := c.Set(1, data, 0); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"set":  func() error { return c.Set(1, data, 0) },
		"get":  func() error { _, err := c.Get(1, 0, buf); return err },
		"info": func() error { _, err := c.Info(1); return err },
	} {
		if n := testing.AllocsPerRun(200, func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		}); n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// FuzzMessage delivers arbitrary messages: the service answers a status, keeps
// its assets apart and breaks no rule of the SPM.
func FuzzMessage(f *testing.F) {
	f.Add(int32(1001), u64(1), []byte("data"), u32(0), 0, 0)
	f.Add(int32(1002), u64(1), u32(0), []byte{}, 16, 0)
	f.Add(int32(1003), u64(1), []byte{}, []byte{}, 12, 0)
	f.Add(int32(1004), u64(1), []byte{}, []byte{}, 0, 0)
	f.Fuzz(func(t *testing.T, typ int32, in0, in1, in2 []byte, cap0, cap1 int) {
		if typ < 0 || typ > veneer.MaxCallType || len(in0)+len(in1)+len(in2) > veneer.MaxPayload ||
			cap0 < 0 || cap1 < 0 || cap0+cap1 > 1<<16 {
			return
		}
		g := &gate{client: -1, handler: newDevice().boot(t)}
		other := g.as(-2).storage()
		if err := other.Set(1, []byte("other's"), 0); err != nil {
			t.Fatal(err)
		}
		out := []veneer.OutVec{make([]byte, cap0), make([]byte, cap1)}
		for range 3 {
			g.Call(contract.Handle, typ, []veneer.InVec{in0, in1, in2}, out)
		}
		if bytes.Contains(out[0], []byte("other's")) {
			t.Error("another's asset")
		}
		if data, err := other.ReadAll(1); err != nil || string(data) != "other's" {
			t.Errorf("another's asset is %q, %v", data, err)
		}
	})
}

func BenchmarkSet512(b *testing.B) {
	c := (&gate{client: -1, handler: newDevice().boot(b)}).storage()
	data := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Set(1, data, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet512(b *testing.B) {
	c := (&gate{client: -1, handler: newDevice().boot(b)}).storage()
	buf := make([]byte, 512)
	if err := c.Set(1, buf, 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(1, 0, buf); err != nil {
			b.Fatal(err)
		}
	}
}
