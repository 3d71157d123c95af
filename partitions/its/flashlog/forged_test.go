package flashlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

// FuzzRecords opens stores whose records have right CRCs and contents of the
// fuzzer's choice, which somebody with access to the flash of Protected Storage
// can write. Such a store may hold anything, but it works and it ends.
func FuzzRecords(f *testing.F) {
	const pageSize, pages, step = 512, 3, 6
	kinds := [...]kind{kindAsset, kindPart, kindRemoved, kindLost, kindScar}
	f.Add(uint32(3), []byte{0, 1, 1, 0, 20, 0, 1, 1, 2, 0, 84, 1, 0, 1, 2, 84, 60, 2})
	f.Add(uint32(1), []byte{1, 1, 1, 0, 84, 0, 0, 1, 1, 90, 6, 0, 2, 1, 1, 0, 0, 0, 3, 1, 1, 9, 0, 0})
	f.Add(uint32(0xfffffffe), []byte{0, 1, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, first uint32, script []byte) {
		image := bytes.Repeat([]byte{0xff}, pages*pageSize)
		fl := flashtest.FromImage(image, pageSize)
		s := newStore(fl)
		s.last = first - 1
		base, off := 0, pageSize
		for opened := 0; len(script) >= step; script = script[step:] {
			r := record{
				kind:    kinds[script[0]%5],
				flags:   Flags(script[0] >> 2),
				id:      Key{1, uint64(script[1] % 4)}.id(),
				version: uint64(int64(int8(script[2]))) & maxVersion,
				extra:   uint32(script[3]),
			}
			switch r.kind {
			case kindAsset:
				r.extra = uint32(script[4]) + uint32(script[3]%8)*uint32(s.partSize)
				_, r.length = split(int(r.extra), s.partSize)
			case kindPart:
				r.length = s.partSize
			}
			if script[5]&0x80 != 0 {
				r.extra = binary.LittleEndian.Uint32(script[2:]) // whatever
			}
			if off+r.size() > pageSize {
				if opened++; opened == pages+1 {
					break
				}
				victim := -1
				if opened == pages {
					victim = int(script[4]) % (pages - 1)
				}
				base = s.next * pageSize
				if s.openPage(victim) != nil {
					break
				}
				off = pageHeader
				if opened == pages && script[5]&0x40 != 0 {
					if err := s.program(base+pageMark, make([]byte, 4)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.write(base+off, &r, bytes.Repeat(script[5:6], r.length)); err != nil {
				t.Fatal(err)
			}
			off += r.size()
		}
		if c, err := Check(fl); err == nil {
			if r, err := c.Report(); err != nil || r.Corrupt > r.Assets || r.Largest >= len(image) {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		s, err := Open(fl)
		if err != nil {
			// Numbers may have run out.
			if !errors.Is(err, veneer.ErrDataCorrupt) && !errors.Is(err, veneer.ErrStorageFailure) {
				t.Fatal(err)
			}
			return
		}
		CheckTable(t, s)
		if err := s.Walk(func(k Key, info Info) {
			buf := make([]byte, 16)
			if _, err := s.Read(k, 0, buf); err != nil && !errors.Is(err, veneer.ErrDataCorrupt) {
				t.Fatalf("%v: %v", k, err)
			}
			if info.Size > len(image) {
				t.Fatalf("%v: %d bytes in an area of %d", k, info.Size, len(image))
			}
		}); err != nil {
			t.Fatal(err)
		}
		k, data := Key{2, 1}, bytes.Repeat([]byte{5}, 90)
		for range 8 {
			if err := s.Set(k, data, 0); err != nil {
				if !errors.Is(err, veneer.ErrInsufficientStorage) && !errors.Is(err, veneer.ErrStorageFailure) {
					t.Fatal(err)
				}
				return
			}
			CheckTable(t, s)
			got := make([]byte, 91)
			if n, err := s.Read(k, 0, got); err != nil || !bytes.Equal(got[:n], data) {
				t.Fatalf("read back %d bytes, %v", n, err)
			}
			if s, err = Open(fl); err != nil {
				t.Fatalf("open again: %v", err)
			}
		}
	})
}

// TestForgedWhileOpen replaces the record of an asset, in the flash of an open
// store, by others of that asset with right CRCs. The store, which collects it
// then, knows where the record is and how large it was: it takes no other for it,
// keeps its counts, and says that the asset is lost.
func TestForgedWhileOpen(t *testing.T) {
	const pageSize, pages = 512, 4
	k := Key{1, 1}
	for name, forge := range map[string]func(*record){
		"larger":  func(r *record) { r.extra, r.length = 60, 60 },
		"smaller": func(r *record) { r.extra, r.length = 0, 0 },
		"removed": func(r *record) { r.kind, r.length = kindRemoved, 0 },
		"lost":    func(r *record) { r.kind, r.length = kindLost, 0 },
		"other":   func(r *record) { r.version++ },
	} {
		t.Run(name, func(t *testing.T) {
			fl := flashtest.Blank(flashtest.NOR, pages, pageSize)
			s, err := Open(fl)
			if err == nil {
				err = s.Set(k, make([]byte, 20), 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			e := s.index[k.id()]
			r := newRecord(&e, k)
			forge(&r)
			for i := 0; s.index[k.id()].loc == e.loc; i++ {
				if err := s.Set(Key{1, 2}, make([]byte, 60), 0); err != nil {
					t.Fatal(err)
				}
				image := fl.Image()
				copy(image[e.loc:], r.put(nil, make([]byte, r.length)))
				fl.Restore(image)
				CheckTable(t, s)
			}
			CheckTable(t, s)
			if _, err := s.Stat(k); !errors.Is(err, veneer.ErrDataCorrupt) {
				t.Errorf("the asset answers %v", err)
			}
		})
	}
}

// newRecord is the record of an asset that fits in one, without its payload.
func newRecord(e *entry, k Key) record {
	return record{kind: kindAsset, flags: e.flags, id: k.id(), version: e.version(), extra: e.size, length: int(e.size)}
}
