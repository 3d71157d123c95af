package its_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// protectedStorage is the client ID of the Protected Storage partition.
const protectedStorage = 256

// TestList lists assets of all lengths around what an entry holds, in the order of
// their uids.
func TestList(t *testing.T) {
	d := newDevice()
	ps := (&gate{client: protectedStorage, handler: d.boot(t)}).storage()
	sizes := []int{0, 1, 15, 16, 17, 31, 32, 33, 48, 512, 513, 1500}
	want := map[contract.UID][]byte{}
	for i, size := range sizes {
		uid := contract.UID(7919*(i+1)%13) << (i * 5)
		want[uid] = make([]byte, size)
		for j := range want[uid] {
			want[uid][j] = byte(i + j + 1)
		}
		if err := ps.Set(uid, want[uid], 0); err != nil {
			t.Fatal(err)
		}
	}
	last, n := contract.UID(0), 0
	err := ps.List(func(e *contract.Entry) error {
		data, ok := want[e.UID]
		var head [contract.EntryHead]byte
		var tail [contract.EntryTail]byte
		copy(head[:], data)
		copy(tail[:], data[max(len(data)-len(tail), 0):])
		if !ok || e.UID <= last || int(e.Size) != len(data) || e.Damaged || e.Head != head || e.Tail != tail {
			t.Errorf("uid %#x, %d bytes: %+v", uint64(e.UID), len(data), e)
		}
		last = e.UID
		n++
		return nil
	})
	if err != nil || n != len(sizes) {
		t.Errorf("%d assets, %v", n, err)
	}
	stop := errors.New("enough")
	if err := ps.List(func(*contract.Entry) error { return stop }); err != stop {
		t.Errorf("a listing that is ended: %v", err)
	}
}

// TestListBatches lists more than one answer holds, with room for a few entries at
// a time, while assets go.
func TestListBatches(t *testing.T) {
	d := newDevice()
	g := &gate{client: protectedStorage, handler: d.boot(t)}
	ps := g.storage()
	const assets = 100
	for uid := range contract.UID(assets) {
		if err := ps.Set(uid+1, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	var seen []contract.UID
	for after := uint64(0); ; {
		out := []veneer.OutVec{make([]byte, 3*contract.EntrySize+5)}
		if st := g.Call(contract.Handle, contract.CallList, []veneer.InVec{u64(after)}, out); st != veneer.Success {
			t.Fatal(st)
		}
		if len(out[0]) == 0 {
			break
		}
		for b := out[0]; len(b) > 0; b = b[contract.EntrySize:] {
			seen = append(seen, contract.UID(b[0]))
			after = uint64(b[0])
		}
		// One that has been listed, and one that has not.
		if after < 50 {
			if err := errors.Join(ps.Remove(contract.UID(after)), ps.Remove(contract.UID(assets+1-after))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(seen) != assets-16 {
		t.Errorf("%d seen: %v", len(seen), seen)
	}
}

// TestListIsPrivate: to all others there is no such call, whatever they send.
func TestListIsPrivate(t *testing.T) {
	d := newDevice()
	g := &gate{client: protectedStorage, handler: d.boot(t)}
	if err := g.storage().Set(1, []byte("mine"), 0); err != nil {
		t.Fatal(err)
	}
	for _, client := range []int32{-1, 1, 255, 257, 300} {
		if err := g.as(client).storage().List(func(*contract.Entry) error { return nil }); !errors.Is(err, veneer.ErrNotSupported) {
			t.Errorf("client %d: %v", client, err)
		}
		if st := g.as(client).Call(contract.Handle, contract.CallList, nil, nil); st != veneer.ErrNotSupported {
			t.Errorf("client %d, of another form: %v", client, st)
		}
	}
	for name, room := range map[string]int{"no room": 0, "room for less than an entry": contract.EntrySize - 1} {
		if st := g.Call(contract.Handle, contract.CallList, []veneer.InVec{u64(0)}, []veneer.OutVec{make([]byte, room)}); st != veneer.ErrProgrammerError {
			t.Errorf("%s: %v", name, st)
		}
	}
}

// TestListDamaged lists an asset whose record is damaged as such, and the others as
// ever.
func TestListDamaged(t *testing.T) {
	d := newDevice()
	h := d.boot(t)
	ps := (&gate{client: protectedStorage, handler: h}).storage()
	if err := errors.Join(ps.Set(1, []byte("whole"), 0), ps.Set(2, []byte("to be hurt"), 0)); err != nil {
		t.Fatal(err)
	}
	d.protected.Flip(8 * bytes.Index(d.protected.Image(), []byte("to be hurt")))
	for range 2 {
		var got []contract.Entry
		if err := ps.List(func(e *contract.Entry) error { got = append(got, *e); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].Damaged || !got[1].Damaged || got[1].Head != [contract.EntryHead]byte{} {
			t.Errorf("listed %+v", got)
		}
		ps = (&gate{client: protectedStorage, handler: d.boot(t)}).storage()
	}
}
