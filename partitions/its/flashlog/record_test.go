package flashlog

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
)

func sampleHeader() []byte {
	h := make([]byte, recordHeader)
	(&record{kind: kindAsset, flags: 1, length: 17, id: Key{-5, 0x0102030405060708}.id(), version: 9 << 32, extra: 17}).encode(h)
	return h
}

// TestStoredCRCIsNeverBlank is what the commit rule rests on.
func TestStoredCRCIsNeverBlank(t *testing.T) {
	if got := notBlank(^uint32(0)); got == ^uint32(0) {
		t.Errorf("a blank CRC is stored as %#x", got)
	}
	for _, crc := range []uint32{0, 1, 0x12345678, 0xfffffffe} {
		if got := notBlank(crc); got != crc {
			t.Errorf("%#x is stored as %#x", crc, got)
		}
	}
}

// TestHeal flips every bit and every two bits of a header: one is corrected, two
// are not, and never into another header.
func TestHeal(t *testing.T) {
	good := sampleHeader()
	bits := recordHeader * 8
	for i := range bits {
		h := bytes.Clone(good)
		h[i/8] ^= 1 << (i % 8)
		if headerOK(h) {
			t.Fatalf("bit %d: not noticed", i)
		}
		damaged := bytes.Clone(h)
		if !heal(h) || !bytes.Equal(h, good) {
			t.Fatalf("bit %d: corrected to %x", i, h)
		}
		for j := range i {
			h := bytes.Clone(damaged)
			h[j/8] ^= 1 << (j % 8)
			if headerOK(h) || heal(h) {
				t.Fatalf("bits %d and %d: taken for %x", i, j, h)
			}
		}
	}
}

// TestTornHeaderIsNeverTaken programs the words of a header up to each, with
// every subset of a few bits of that word cleared.
func TestTornHeaderIsNeverTaken(t *testing.T) {
	good := sampleHeader()
	for word := range recordHeader / 4 {
		for seed := range 1 << 12 {
			h := bytes.Repeat([]byte{0xff}, recordHeader)
			copy(h, good[:4*word])
			for b := range 4 {
				h[4*word+b] = good[4*word+b] | byte(seed>>(2*b)*0x25)
			}
			if headerOK(h) && !bytes.Equal(h, good) {
				t.Fatalf("torn header %x is taken", h)
			}
		}
	}
}

// TestPut: a record that is put together for a page is the one that is written
// step by step.
func TestPut(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 17, 64} {
		fl := flashtest.New(2)
		s := newStore(fl)
		r := record{kind: kindAsset, id: Key{1, 2}.id(), version: 3, extra: uint32(n), length: n}
		payload := bytes.Repeat([]byte{7}, n)
		if err := s.write(64, &r, payload); err != nil {
			t.Fatal(err)
		}
		if got := r.put(nil, payload); !bytes.Equal(got, fl.Image()[64:][:r.size()]) || len(got) != r.size() {
			t.Errorf("%d bytes: %x", n, got)
		}
	}
}

func TestPageHeader(t *testing.T) {
	want := header{seq: 6, version: 1<<47 + 5, erases: 3, victim: 1, victimErases: 9}
	good := want.append(want.append(nil, 1), 1)
	good = append(good, 0xff, 0xff, 0xff, 0xff)
	if len(good) != pageHeader {
		t.Fatalf("%d bytes", len(good))
	}
	if got, ok := decodeHeader(good, 1); got != want || !ok {
		t.Errorf("decoded %+v, %v", got, ok)
	}
	if _, ok := decodeHeader(good, 2); ok {
		t.Error("taken in another page")
	}
	for bit := range 8 * pageMark {
		h := bytes.Clone(good)
		h[bit/8] ^= 1 << (bit % 8)
		if got, ok := decodeHeader(h, 1); got != want || !ok {
			t.Errorf("bit %d: %+v, %v", bit, got, ok)
		}
	}
	// Bits that change in one direction only, as in a torn program or erase,
	// never make another header.
	rng := rand.New(rand.NewPCG(1, 1))
	for range 1 << 16 {
		torn := bytes.Clone(good)
		for b := range torn {
			torn[b] |= byte(rng.Uint32() & rng.Uint32() & rng.Uint32() & rng.Uint32())
		}
		if got, ok := decodeHeader(torn, 1); ok && got != want {
			t.Fatalf("torn header %x is %+v", torn, got)
		}
	}
	for _, none := range [][]byte{bytes.Repeat([]byte{0xff}, pageHeader), make([]byte, pageHeader)} {
		if h, ok := decodeHeader(none, 1); ok {
			t.Errorf("%x is %+v", none, h)
		}
	}
	other := header{seq: 7, version: 1}
	if _, ok := decodeHeader(other.append(want.append(nil, 1), 1), 1); ok {
		t.Error("two copies that differ were taken")
	}
}

// TestVersionsGoUp opens the store after each step: the highest version is known
// even when all records that had it are gone.
func TestVersionsGoUp(t *testing.T) {
	fl := flashtest.Blank(flashtest.NOR, 3, 512)
	version := uint64(0)
	for i := range 500 {
		s, err := Open(fl)
		if err != nil {
			t.Fatal(err)
		}
		if s.version < version {
			t.Fatalf("step %d: version %d after %d", i, s.version, version)
		}
		k := Key{1, uint64(i/2 + 1)}
		if i%2 == 0 {
			err = s.Set(k, []byte{1}, 0)
		} else {
			err = s.Remove(k)
		}
		if err != nil {
			t.Fatal(err)
		}
		version = s.version
	}
}
