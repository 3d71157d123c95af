package counters

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/postern-spe/postern/platform/cells"
)

// image is an area as bytes.
type image []byte

func erased() image {
	p := make(image, 2*testPage)
	for i := range p {
		p[i] = 0xFF
	}
	return p
}

// area returns flash that holds p.
func (p image) area(t testing.TB) Area {
	a := cells.NewFlash(cells.Memory(len(p)), cells.Options{Page: testPage})
	if err := a.Program(0, p); err != nil {
		t.Fatal(err)
	}
	return a
}

// put writes records into the slots from first on.
func (p image) put(first int, records ...record) image {
	for i, r := range records {
		copy(p[(first+i)*recordSize:], r.encode())
	}
	return p
}

// example is a bank of generation 5 with three records: PS_0 = 2, NS_1 = 9.
func example() image {
	return erased().put(0, head(5),
		record{kindCounter, 0, 1, 1, 5},
		record{kindCounter, 9, 2, 9, 5},
		record{kindCounter, 0, 3, 2, 5})
}

// TestFormatGolden keeps the format: devices have it on their disks.
func TestFormatGolden(t *testing.T) {
	const (
		wantHead = "c10b0000434e563105000000"
		wantLast = "c0000300" + "02000000" + "05000000"
	)
	for slot, want := range map[int]string{0: wantHead, 3: wantLast} {
		got := example()[slot*recordSize:][:recordSize]
		sum := crc32.ChecksumIEEE(got[:12])
		if hex.EncodeToString(got[:12]) != want || !bytes.Equal(got[12:], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}) {
			t.Errorf("slot %d is %x, want %s and its CRC", slot, got, want)
		}
	}
}

func TestDamage(t *testing.T) {
	const otherBank = testPage / recordSize
	flip := func(slot, at int) image {
		p := example()
		p[slot*recordSize+at] ^= 0x10
		return p
	}
	full := func() image {
		p := erased().put(0, head(1))
		for n := 1; n < otherBank; n++ {
			p.put(n, record{kindCounter, 1, uint16(n), uint32(n), 1})
		}
		return p
	}
	tests := []struct {
		name string
		p    image
		want error
		ps0  uint32 // where it opens
	}{
		{"whole", example(), nil, 2},
		{"blank", erased(), ErrBlank, 0},
		{"head broken", flip(0, 4), ErrDamaged, 0},
		{"head of another format", example().put(0, record{kindHead, Count, 0, headValue + 1, 5}), ErrDamaged, 0},
		{"head of fewer counters", example().put(0, record{kindHead, Count - 1, 0, headValue, 5}), ErrDamaged, 0},
		{"record broken in the middle", flip(2, 5), ErrDamaged, 0},
		{"last record broken, as by a power failure", flip(3, 5), nil, 1},
		{"record of another generation", example().put(2, record{kindCounter, 9, 2, 9, 4}), ErrDamaged, 0},
		{"record moved", example().put(2, record{kindCounter, 9, 3, 9, 5}), ErrDamaged, 0},
		{"record of no counter", example().put(2, record{kindCounter, Count, 2, 9, 5}), ErrDamaged, 0},
		{"record of another kind", example().put(2, record{kindHead, 9, 2, 9, 5}), ErrDamaged, 0},
		{"counter that counts down", example().put(4, record{kindCounter, 9, 4, 8, 5}), ErrDamaged, 0},
		{"counter that stands still", example().put(4, record{kindCounter, 9, 4, 9, 5}), ErrDamaged, 0},
		{"hole", example().put(5, record{kindCounter, 9, 5, 10, 5}), ErrDamaged, 0},
		{"something at the end", func() image {
			p := example()
			p[testPage-1] = 0
			return p
		}(), ErrDamaged, 0},
		{"two records broken", func() image {
			p := flip(3, 5)
			p[4*recordSize] = 0
			return p
		}(), ErrDamaged, 0},
		{"interrupted move", example().put(otherBank+1, record{kindCounter, 0, 1, 7, 6}), nil, 2},
		{"finished move", example().put(otherBank, head(6), record{kindCounter, 0, 1, 7, 6}), nil, 7},
		{"old bank after a move", example().put(otherBank, head(4), record{kindCounter, 0, 1, 1, 4}), nil, 2},
		{"torn record, and an interrupted move", func() image {
			p := flip(3, 5)
			return p.put(otherBank+1, record{kindCounter, 3, 1, 0, 6})
		}(), nil, 1},
		{"two banks of one generation", example().put(otherBank, head(5)), ErrDamaged, 0},
		{"full bank", full(), nil, 0},
		{"last generation, torn", func() image {
			p := erased().put(0, head(0xFFFFFFFF))
			p[recordSize] = 0
			return p
		}(), ErrDamaged, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.p.area(t)
			r := checked(t, a, tt.want)
			c, err := Open(a)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if err != nil {
				if !bytes.Equal(bytesOf(t, a), tt.p) {
					t.Error("an area that was refused has been changed")
				}
				return
			}
			if v, _ := c.Read(PS0); v != tt.ps0 {
				t.Errorf("PS_0 is %d, want %d", v, tt.ps0)
			}
			checkAlone(t, a)
			if changed := !bytes.Equal(bytesOf(t, a), tt.p); changed != (r.Torn || r.Moved) {
				t.Errorf("opening it changed the area: %t; Check: %+v", changed, r)
			}
			if r := checked(t, a, nil); r.Torn || r.Moved {
				t.Errorf("opened, it is %+v", r)
			}
			if err := c.Increment(PS0); err != nil {
				t.Fatal(err)
			}
			if v, _ := open(t, a).Read(PS0); v != tt.ps0+1 {
				t.Errorf("PS_0 counted to %d", v)
			}
		})
	}
}

func TestReport(t *testing.T) {
	torn := example()
	torn[4*recordSize] = 0
	for _, row := range []struct {
		name string
		p    image
		want Report
	}{
		{"whole", example(), Report{Records: 3, Room: 15, Moves: 4}},
		{"a torn record", torn, Report{Records: 3, Room: 15, Moves: 4, Torn: true}},
		{"an interrupted move", example().put(17, record{kindCounter, 0, 1, 7, 6}), Report{Records: 3, Room: 15, Moves: 4, Moved: true}},
	} {
		if got := checked(t, row.p.area(t), nil); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}

// bytesOf returns what an area holds.
func bytesOf(t *testing.T, a Area) []byte {
	t.Helper()
	p := make([]byte, a.Size())
	if err := a.Read(0, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// checked is Check, which says what Open would and changes nothing.
func checked(t *testing.T, a Area, want error) Report {
	t.Helper()
	before := bytesOf(t, a)
	r, err := Check(a)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Fatalf("Check: %v, want %v", err, want)
	}
	if !bytes.Equal(bytesOf(t, a), before) {
		t.Error("Check has changed the area")
	}
	if err == nil && (r.Records > r.Room || r.Room != testPage/recordSize-1) {
		t.Errorf("%+v", r)
	}
	return r
}

// checkAlone checks that an area holds one state only: an earlier one, left in the
// other bank, would count again if the later were lost.
func checkAlone(t *testing.T, a Area) {
	t.Helper()
	p := bytesOf(t, a)
	if half := len(p) / 2; blank(p[:half]) == blank(p[half:]) {
		t.Error("both banks hold something, or none does")
	}
}

// FuzzOpen opens areas of any content. fix gives slots, by its bits, the CRC that
// they lack, so that more than the CRC is tried.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(example()), uint32(0))
	f.Add([]byte(example().put(16, head(6), record{kindCounter, 0, 1, 7, 6})), uint32(0))
	f.Add([]byte(erased()), uint32(1))
	f.Add([]byte{}, uint32(0xFFFFFFFF))
	f.Fuzz(func(t *testing.T, p []byte, fix uint32) {
		img := erased()
		copy(img, p)
		for slot := range 32 {
			if fix>>slot&1 != 0 {
				r, _ := decode(img[slot*recordSize:])
				img.put(slot, r)
			}
		}
		a := img.area(t)
		_, unsound := Check(a)
		c, err := Open(a)
		if (err == nil) != (unsound == nil) {
			t.Fatalf("%v; Check: %v", err, unsound)
		}
		if err != nil {
			if !errors.Is(err, ErrBlank) && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if r := checked(t, a, nil); r.Torn || r.Moved {
			t.Fatalf("opened, it is %+v", r)
		}
		got, least := values(t, c), valid(img)
		for id, v := range got {
			if v < least[id] {
				t.Fatalf("%v is %d, and %d is written", ID(id), v, least[id])
			}
		}
		if got := values(t, open(t, a)); got != values(t, c) {
			t.Fatalf("opened again: %v, before %v", got, values(t, c))
		}
		if got[NS0] == 0xFFFFFFFF || c.log.generation == 0xFFFFFFFF {
			return
		}
		if err := c.Increment(NS0); err != nil {
			t.Fatal(err)
		}
		got[NS0]++
		if now := values(t, open(t, a)); now != got {
			t.Fatalf("%v after an increment, want %v", now, got)
		}
	})
}

// valid returns the largest value of each counter that the records of the latest
// bank say, found without regard to their order.
func valid(p image) (v [Count]uint32) {
	var latest []byte
	var generation uint32
	for _, bank := range [][]byte{p[:testPage], p[testPage:]} {
		if r, ok := decode(bank); ok && r == head(r.generation) && (latest == nil || r.generation > generation) {
			latest, generation = bank, r.generation
		}
	}
	for i := 0; i+recordSize <= len(latest); i += recordSize {
		r, ok := decode(latest[i:])
		if ok && r.kind == kindCounter && r.id < Count && r.generation == generation {
			v[r.id] = max(v[r.id], r.value)
		}
	}
	return v
}
