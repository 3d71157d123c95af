package its_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// TestModel drives the service with several clients and restarts against a map.
func TestModel(t *testing.T) {
	type key struct {
		client int32
		uid    contract.UID
	}
	type value struct {
		data  string
		flags contract.Flags
	}
	clients := []int32{-1, -2, 256, 259}
	rapid.Check(t, func(rt *rapid.T) {
		d := newDevice()
		g := &gate{handler: d.boot(t)}
		m := map[key]value{}
		draw := func(t *rapid.T) (key, *contract.Client) {
			k := key{rapid.SampledFrom(clients).Draw(t, "client"), contract.UID(rapid.Uint64Range(1, 4).Draw(t, "uid"))}
			return k, g.as(k.client).storage()
		}
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, c := draw(t)
				v := value{string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "data")), 0}
				if rapid.IntRange(0, 15).Draw(t, "once") == 15 {
					v.flags = 1
				}
				err := c.Set(k.uid, []byte(v.data), v.flags)
				switch {
				case m[k].flags == 1:
					if !errors.Is(err, veneer.ErrNotPermitted) {
						t.Fatalf("set of write-once: %v", err)
					}
				case err == nil:
					m[k] = v
				case !errors.Is(err, veneer.ErrInsufficientStorage):
					t.Fatal(err)
				}
			},
			"remove": func(t *rapid.T) {
				k, c := draw(t)
				want := veneer.Success
				if v, ok := m[k]; !ok {
					want = veneer.ErrDoesNotExist
				} else if v.flags == 1 {
					want = veneer.ErrNotPermitted
				} else {
					delete(m, k)
				}
				if err := c.Remove(k.uid); statusOf(err) != want {
					t.Fatalf("remove: %v; want %v", err, want)
				}
			},
			"restart": func(*rapid.T) { g.handler = d.boot(t) },
			"": func(t *rapid.T) {
				for _, client := range clients {
					for uid := contract.UID(1); uid <= 4; uid++ {
						v, ok := m[key{client, uid}]
						data, err := g.as(client).storage().ReadAll(uid)
						if ok != (err == nil) || string(data) != v.data || !ok && !errors.Is(err, veneer.ErrDoesNotExist) {
							t.Fatalf("client %d uid %d: %d bytes, %v; want %d, %v", client, uid, len(data), err, len(v.data), ok)
						}
						if info, err := g.as(client).storage().Info(uid); ok && (err != nil || info.Flags != v.flags) {
							t.Fatalf("client %d uid %d: %v, %v", client, uid, info, err)
						}
					}
				}
			},
		})
	})
}

// TestCallsAllocateNothing counts the client, the message and the partition.
func TestCallsAllocateNothing(t *testing.T) {
	c := (&gate{client: -1, handler: newDevice().boot(t)}).storage()
	data, buf := make([]byte, 512), make([]byte, 512)
	if n := testing.AllocsPerRun(200, func() {
		if c.Set(1, data, 0) != nil {
			t.Error("set")
		}
		if _, err := c.Get(1, 0, buf); err != nil {
			t.Error(err)
		}
		if _, err := c.Info(1); err != nil {
			t.Error(err)
		}
	}); n >= 1 {
		t.Errorf("%v allocations", n)
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
