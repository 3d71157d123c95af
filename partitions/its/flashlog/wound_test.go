package flashlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

// value is what the assets of these tests hold: their uid and how often they
// were set.
func value(uid uint64, n int) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, uid), uint32(n))
}

// TestWound makes a header unreadable, which hides all that follows in its page.
// An asset then reads right, as corrupt, or as not there if nothing of it can be
// seen: never as it was before. That stays so when the place is collected, when
// the store is opened again, and when power fails on the way; and what is set
// from then on is not suspected.
func TestWound(t *testing.T) {
	const pages, pageSize, uids = 6, 512, 20
	for _, sets := range []int{15, 30, 200} { // pages not all used yet, and worn
		for page := range pages {
			for _, nth := range []int{0, 3} {
				t.Run(fmt.Sprintf("%d sets, record %d of page %d", sets, nth, page), func(t *testing.T) {
					f := flashtest.Blank(flashtest.NOR, pages, pageSize)
					s, err := Open(f)
					if err != nil {
						t.Fatal(err)
					}
					last := map[uint64]int{}   // 0: removed
					fresh := map[uint64]bool{} // set since it was wounded
					wounded := false
					step := func(i int) {
						k := Key{1, uint64(1 + i*7%uids)}
						if i%11 == 10 && last[k.UID] > 0 {
							err, last[k.UID] = s.Remove(k), 0
							if errors.Is(err, veneer.ErrDoesNotExist) && !fresh[k.UID] {
								err = nil // hidden
							}
						} else {
							err, last[k.UID] = s.Set(k, value(k.UID, i+1), 0), i+1
						}
						if err != nil {
							t.Fatal(err)
						}
						fresh[k.UID] = wounded && last[k.UID] > 0
					}
					for i := range sets {
						step(i)
					}
					off := page*pageSize + pageHeader
					for range nth {
						if int(s.table.newest) == page && off+2*recordOverhead > page*pageSize+s.tail {
							return
						}
						var r record
						h := make([]byte, recordHeader)
						if err := f.Read(off, h); err != nil || !headerOK(h) || !r.decode(h, s.partSize, f.Size()) {
							return // no such record
						}
						off += r.size()
					}
					h := make([]byte, recordHeader)
					if err := f.Read(off, h); err != nil || blank(h) || off+recordOverhead > (page+1)*pageSize {
						return
					}
					for _, bit := range []int{33, 90, 200} {
						f.Flip(8*off + bit)
					}
					wounded = true
					check := func(when string) {
						t.Helper()
						for uid := uint64(1); uid <= uids; uid++ {
							buf := make([]byte, 20)
							n, err := s.Read(Key{1, uid}, 0, buf)
							switch {
							case err == nil && last[uid] > 0 && string(buf[:n]) == string(value(uid, last[uid])):
							case fresh[uid]:
								t.Fatalf("%s: uid %d was set since, and is %x, %v", when, uid, buf[:n], err)
							case errors.Is(err, veneer.ErrDataCorrupt), errors.Is(err, veneer.ErrDoesNotExist):
							default:
								t.Fatalf("%s: uid %d is %x, %v; want %d", when, uid, buf[:n], err, last[uid])
							}
						}
						CheckTable(t, s)
					}
					reopen := func(when string) {
						t.Helper()
						if s, err = Open(f); err != nil {
							t.Fatalf("%s: %v", when, err)
						}
						check(when)
					}
					// The power fails while the wound is taken down.
					image := f.Image()
					for cut := 0; ; cut++ {
						f.Restore(image)
						f.CutAt(cut, uint64(cut))
						s, err = Open(f)
						f.PowerOn()
						if err == nil {
							break
						}
						reopen(fmt.Sprintf("cut at %d", cut))
						if n := len(s.found.wounds) + len(s.scars); n == 0 {
							t.Fatalf("cut at %d: no wound, and no scar", cut)
						}
					}
					check("opened")
					reopen("opened again")
					for i := range 40 {
						step(1000 + i)
						reopen(fmt.Sprintf("%d more", i+1))
					}
					for i := range 300 {
						step(2000 + i)
					}
					check("in the end")
				})
			}
		}
	}
}
