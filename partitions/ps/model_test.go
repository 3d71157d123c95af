package ps

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// modelAsset is what the oracle knows of an asset.
type modelAsset struct {
	data     []byte
	capacity int
	flags    contract.Flags
	created  bool
}

// TestModel drives the service with several clients and restarts against a map
// that answers as the API says.
func TestModel(t *testing.T) {
	clients := []int32{-1, -2, 300}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorldOf(t, rapid.IntRange(2, 6).Draw(rt, "pages"))
		m := map[Asset]*modelAsset{}
		pick := func(t *rapid.T) (Asset, contract.UID, *contract.Client) {
			a := Asset{rapid.SampledFrom(clients).Draw(t, "client"), rapid.Uint64Range(0, 4).Draw(t, "uid")}
			return a, contract.UID(a.UID), w.client(a.Owner)
		}
		flags := func(t *rapid.T) contract.Flags {
			return rapid.SampledFrom([]contract.Flags{0, 0, 2, 4, 6, 0, 2, 1, 8, 1 << 30, 1 << 31}).Draw(t, "flags")
		}
		bytesOf := func(t *rapid.T) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "data") }
		// is checks a call; full says that there may be no room.
		is := func(t *rapid.T, err error, want veneer.Status, full bool) bool {
			got := veneer.Success
			if err != nil {
				got = statusOf(err)
			}
			if got != want && !(full && want == veneer.Success && got == veneer.ErrInsufficientStorage) {
				t.Fatalf("%v; want %v", err, want)
			}
			return got == veneer.Success
		}
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				a, uid, c := pick(t)
				data, fl := bytesOf(t), flags(t)
				want := veneer.Success
				switch held := m[a]; {
				case a.UID == 0:
					want = veneer.ErrInvalidArgument
				case fl&^psa.StorageAll != 0:
					want = veneer.ErrNotSupported
				case held != nil && held.flags&psa.StorageWriteOnce != 0:
					want = veneer.ErrNotPermitted
				}
				if is(t, c.Set(uid, data, fl), want, true) {
					m[a] = &modelAsset{data, len(data), fl, false}
				}
			},
			"create": func(t *rapid.T) {
				a, uid, c := pick(t)
				capacity, fl := rapid.IntRange(0, 900).Draw(t, "capacity"), flags(t)
				want := veneer.Success
				switch {
				case a.UID == 0:
					want = veneer.ErrInvalidArgument
				case fl&^psa.StorageAll != 0 || fl&psa.StorageWriteOnce != 0:
					want = veneer.ErrNotSupported
				case m[a] != nil:
					want = veneer.ErrAlreadyExists
				}
				if is(t, c.Create(uid, uint32(capacity), fl), want, true) {
					m[a] = &modelAsset{nil, capacity, fl, true}
				}
			},
			"set_extended": func(t *rapid.T) {
				a, uid, c := pick(t)
				offset, data := rapid.IntRange(0, 900).Draw(t, "offset"), bytesOf(t)
				held := m[a]
				if held != nil && rapid.Bool().Draw(t, "fits") {
					offset = rapid.IntRange(0, len(held.data)).Draw(t, "offset that fits")
					data = data[:min(len(data), held.capacity-offset)]
				}
				want := veneer.Success
				switch {
				case a.UID == 0:
					want = veneer.ErrInvalidArgument
				case held == nil:
					want = veneer.ErrDoesNotExist
				case held.flags&psa.StorageWriteOnce != 0:
					want = veneer.ErrNotPermitted
				case offset > len(held.data) || offset+len(data) > held.capacity:
					want = veneer.ErrInvalidArgument
				}
				if is(t, c.SetExtended(uid, uint32(offset), data), want, held != nil && !held.created) {
					rest := held.data[min(len(held.data), offset+len(data)):]
					held.data = bytes.Join([][]byte{held.data[:offset], data, rest}, nil)
				}
			},
			"get": func(t *rapid.T) {
				a, uid, c := pick(t)
				offset, size := rapid.IntRange(0, 700).Draw(t, "offset"), rapid.IntRange(0, 700).Draw(t, "size")
				held, want := m[a], veneer.Success
				switch {
				case a.UID == 0:
					want = veneer.ErrInvalidArgument
				case held == nil:
					want = veneer.ErrDoesNotExist
				case offset > len(held.data):
					want = veneer.ErrInvalidArgument
				}
				buf := make([]byte, size)
				n, err := c.Get(uid, uint32(offset), buf)
				if is(t, err, want, false) && !bytes.Equal(buf[:n], held.data[offset:min(len(held.data), offset+size)]) {
					t.Fatalf("%d bytes at %d: %x", n, offset, buf[:n])
				}
			},
			"remove": func(t *rapid.T) {
				a, uid, c := pick(t)
				held, want := m[a], veneer.Success
				switch {
				case a.UID == 0:
					want = veneer.ErrInvalidArgument
				case held == nil:
					want = veneer.ErrDoesNotExist
				case held.flags&psa.StorageWriteOnce != 0:
					want = veneer.ErrNotPermitted
				}
				if is(t, c.Remove(uid), want, false) {
					delete(m, a)
				}
			},
			// A change that the power may not last for.
			"cut": func(t *rapid.T) {
				a, uid, c := pick(t)
				a.UID, uid = max(a.UID, 1), max(uid, 1)
				held := m[a]
				if held != nil && held.flags&psa.StorageWriteOnce != 0 {
					return
				}
				data, fl := bytesOf(t), rapid.SampledFrom([]contract.Flags{0, 2, 4}).Draw(t, "flags")
				after := &modelAsset{data, len(data), fl, false}
				w.protected.cut = rapid.IntRange(0, 300).Draw(t, "cut")
				var err error
				if held != nil && rapid.Bool().Draw(t, "removed") {
					after, err = nil, c.Remove(uid)
				} else {
					err = c.Set(uid, data, fl)
				}
				off := w.protected.off
				*w.protected.supply = supply{cut: -1}
				if err := w.boot(); err != nil {
					t.Fatal(err)
				}
				switch got, e := c.ReadAll(uid); {
				case err != nil && !off:
					is(t, err, veneer.Success, true)
				case err == nil, after == nil && errors.Is(e, veneer.ErrDoesNotExist), after != nil && e == nil && bytes.Equal(got, after.data):
					info, e := c.Info(uid)
					if err != nil && e == nil && held != nil && bytes.Equal(got, held.data) &&
						info.Flags == held.flags && int(info.Capacity) == held.capacity {
						break // it is as it was, or looks so
					}
					delete(m, a)
					if after != nil {
						m[a] = after
					}
				}
			},
			"restart": func(t *rapid.T) {
				if err := w.boot(); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if len(w.noticed) > 0 {
					t.Fatalf("noticed %q", w.noticed)
				}
				for _, owner := range clients {
					for uid := uint64(1); uid <= 4; uid++ {
						a, c := Asset{owner, uid}, w.client(owner)
						info, err := c.Info(contract.UID(uid))
						held := m[a]
						if held == nil {
							is(t, err, veneer.ErrDoesNotExist, false)
							continue
						}
						want := contract.Info{Capacity: uint32(held.capacity), Size: uint32(len(held.data)), Flags: held.flags}
						if err != nil || info != want {
							t.Fatalf("%v: %+v, %v; want %+v", a, info, err, want)
						}
						if data, err := c.ReadAll(contract.UID(uid)); err != nil || !bytes.Equal(data, held.data) {
							t.Fatalf("%v: %d bytes, %v; want %d", a, len(data), err, len(held.data))
						}
					}
				}
			},
		})
	})
}
