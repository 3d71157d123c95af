package flashlog

import (
	"bytes"
	"testing"
)

func sampleHeader() []byte {
	h := make([]byte, recordHeader)
	(&record{kind: kindAsset, flags: 1, length: 17, key: Key{-5, 0x0102030405060708}, version: 9, extra: 17}).encode(h)
	return h
}

// TestStoredCRCIsNeverBlank is what the commit rule rests on.
func TestStoredCRCIsNeverBlank(t *testing.T) {
	if got := stored(^uint32(0)); got == ^uint32(0) {
		t.Errorf("a blank CRC is stored as %#x", got)
	}
	for _, crc := range []uint32{0, 1, 0x12345678, 0xfffffffe} {
		if got := stored(crc); got != crc {
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

func TestPageSequence(t *testing.T) {
	const n = 4
	h := make([]byte, pageHeader)
	for at := 0; at < pageMark; at += 8 {
		copy(h[at:], []byte{6, 0, 0, 0, 0xf9, 0xff, 0xff, 0xff})
	}
	if seq, ok := pageSequence(h, 1, n); seq != 6 || !ok {
		t.Errorf("sequence %d, %v", seq, ok)
	}
	for i := range n {
		if _, ok := pageSequence(h, i, n); ok != (i == 1) {
			t.Errorf("page %d takes sequence 6: %v", i, ok)
		}
	}
	for bit := range 8 * pageMark {
		h[bit/8] ^= 1 << (bit % 8)
		if seq, ok := pageSequence(h, 1, n); seq != 6 || !ok {
			t.Errorf("bit %d: sequence %d, %v", bit, seq, ok)
		}
		h[bit/8] ^= 1 << (bit % 8)
	}
	// Bits that change in one direction only, as in a torn program or erase,
	// never make another sequence.
	for set := range 1 << 16 {
		torn := bytes.Clone(h)
		for b := range pageMark {
			if set>>b&1 == 1 {
				torn[b] |= byte(0x35 + set)
			}
		}
		if seq, ok := pageSequence(torn, 1, n); ok && seq != 6 {
			t.Fatalf("torn header %x has sequence %d", torn, seq)
		}
	}
	for _, blankHeader := range [][]byte{bytes.Repeat([]byte{0xff}, pageHeader), make([]byte, pageHeader)} {
		for i := range n {
			if seq, ok := pageSequence(blankHeader, i, n); ok {
				t.Errorf("%x has sequence %d", blankHeader, seq)
			}
		}
	}
}
