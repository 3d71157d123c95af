package flashlog

import (
	"math/rand/v2"
	"testing"
)

// TestPageTable compares the lists with plain counting.
func TestPageTable(t *testing.T) {
	const pages, room = 9, 60
	var table pageTable
	table.init(pages, room)
	live, erases, used := map[int]int{}, map[int]uint32{}, []int{}
	rng := rand.New(rand.NewPCG(1, 4))
	for seq := uint32(1); seq < 20000; {
		switch p := rng.IntN(pages); {
		case table.pages[p].seq == 0 && len(used) < pages-1:
			erases[p] += rng.Uint32N(3)
			table.open(p, seq, erases[p])
			live[p] = 0
			used = append(used, p)
			seq++
		case table.pages[p].seq == 0:
		case rng.IntN(6) == 0:
			table.retire(p)
			delete(live, p)
			for i, u := range used {
				if u == p {
					used = append(used[:i], used[i+1:]...)
					break
				}
			}
		default:
			n := 4 * rng.IntN(room/4+1)
			table.adjust(p, n-live[p])
			live[p] = n
		}
		if table.inUse != len(used) {
			t.Fatalf("%d pages in use, want %d", table.inUse, len(used))
		}
		if len(used) == 0 {
			continue
		}
		if int(table.oldest) != used[0] || int(table.newest) != used[len(used)-1] {
			t.Fatalf("oldest %d, newest %d, want %v", table.oldest, table.newest, used)
		}
		least, worn := room, uint64(0)
		counts := map[int]int{}
		for _, p := range used {
			least = min(least, live[p])
			counts[room-live[p]]++
			worn += uint64(erases[p])
		}
		if table.gap(table.emptiest()) != room-least || table.erases != worn {
			t.Fatalf("page %d of %v is not the emptiest, or %d erases are not %d", table.emptiest(), live, table.erases, worn)
		}
		if unused := pages - 1 - len(used); unused > 0 {
			counts[room] += unused
		}
		last := room + 1
		table.gaps(func(gap, n int) bool {
			if gap > last {
				t.Fatalf("a gap of %d after one of %d", gap, last)
			}
			last = gap
			counts[gap] -= n
			return true
		})
		for gap, n := range counts {
			if n != 0 {
				t.Fatalf("gaps of %d: %d missing", gap, n)
			}
		}
	}
}

// CheckTable counts again what the store keeps count of.
func CheckTable(t interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}, s *Store) {
	t.Helper()
	live := make([]int, len(s.table.pages))
	total, removals := 0, 0
	for k, e := range s.index {
		live[s.pageAt(e.loc)] += s.own(&e)
		if e.state == removed {
			removals++
			continue
		}
		total += s.own(&e)
		for _, loc := range s.parts[k] {
			live[s.pageAt(loc)] += recordSize(s.partSize)
			total += recordSize(s.partSize)
		}
	}
	for loc := range s.scars {
		live[s.pageAt(loc)] += recordOverhead
		total += recordOverhead
	}
	if total != s.live || removals != s.removals {
		t.Fatalf("%d bytes live, counted as %d; %d removals, counted as %d", total, s.live, removals, s.removals)
	}
	seen, least := 0, s.room
	for p, i := range s.table.pages {
		if i.seq == 0 {
			if live[p] != 0 {
				t.Fatalf("page %d is not in use, and holds %d live bytes", p, live[p])
			}
			continue
		}
		seen++
		least = min(least, live[p])
		if int(i.live) != live[p] || live[p] > s.room {
			t.Fatalf("page %d holds %d live bytes, counted as %d", p, live[p], i.live)
		}
	}
	listed := 0
	for p, seq := s.table.oldest, uint32(0); p >= 0; p = s.table.pages[p].newer {
		if s.table.pages[p].seq <= seq {
			t.Fatal("pages are not listed by age")
		}
		seq = s.table.pages[p].seq
		listed++
	}
	if seen != s.table.inUse || listed != seen {
		t.Fatalf("%d pages in use, %d listed, counted as %d", seen, listed, s.table.inUse)
	}
	if seen > 0 && int(s.table.pages[s.table.emptiest()].live) != least {
		t.Fatalf("page %d is not the emptiest", s.table.emptiest())
	}
}
