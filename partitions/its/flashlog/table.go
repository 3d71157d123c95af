package flashlog

import "math/bits"

// pageInfo is what is known of a page. Pages in use are in two lists: by age, and
// with the others that have as many live bytes.
type pageInfo struct {
	seq          uint32 // 0: not in use
	erases       uint32
	live         int32 // bytes of records that count
	older, newer int32 // -1: none
	left, right  int32
}

// pageTable keeps count of the pages, each change at a cost that does not depend
// on how many there are.
type pageTable struct {
	pages          []pageInfo
	room           int      // bytes for records in a page
	heads, tails   []int32  // first and last page in use with 4 times the index live bytes, -1: none
	counts         []int32  // how many there are
	filled         []uint64 // bit i of word j: counts[64j+i] > 0
	oldest, newest int32    // -1: none
	inUse          int
	erases         uint64 // of all pages in use
}

// spread is by how many erases a page may be ahead of the average.
const spread = 16

// worn reports whether n erases are more than a page's share.
func (t *pageTable) worn(n uint32) bool {
	return n > spread && uint64(n-spread)*uint64(t.inUse) > t.erases
}

func (t *pageTable) init(pages, room int) {
	t.room = room
	t.pages = make([]pageInfo, pages)
	t.heads = make([]int32, room/4+1)
	t.tails = make([]int32, len(t.heads))
	t.counts = make([]int32, len(t.heads))
	t.filled = make([]uint64, (len(t.heads)+63)/64)
	t.clear()
}

// clear makes all pages unused.
func (t *pageTable) clear() {
	clear(t.pages)
	clear(t.counts)
	clear(t.filled)
	for i := range t.heads {
		t.heads[i], t.tails[i] = -1, -1
	}
	t.oldest, t.newest, t.inUse, t.erases = -1, -1, 0, 0
}

// most returns how many pages may be in use.
func (t *pageTable) most() int { return len(t.pages) - 1 }

// open makes page p the newest one in use.
func (t *pageTable) open(p int, seq, erases uint32) {
	t.pages[p] = pageInfo{seq: seq, erases: erases, older: t.newest, newer: -1}
	if t.newest >= 0 {
		t.pages[t.newest].newer = int32(p)
	} else {
		t.oldest = int32(p)
	}
	t.newest = int32(p)
	t.inUse++
	t.erases += uint64(erases)
	t.link(p)
}

// retire takes page p out of use.
func (t *pageTable) retire(p int) {
	t.unlink(p)
	i := &t.pages[p]
	if i.older >= 0 {
		t.pages[i.older].newer = i.newer
	} else {
		t.oldest = i.newer
	}
	if i.newer >= 0 {
		t.pages[i.newer].older = i.older
	} else {
		t.newest = i.older
	}
	t.inUse--
	t.erases -= uint64(i.erases)
	i.seq = 0
}

// adjust changes the live bytes of page p, which is in use, by n.
func (t *pageTable) adjust(p, n int) {
	t.unlink(p)
	t.pages[p].live += int32(n)
	t.link(p)
}

// link puts a page behind those that have as many live bytes: it is their turn
// first to be collected.
func (t *pageTable) link(p int) {
	i := &t.pages[p]
	b := i.live / 4
	i.left, i.right = t.tails[b], -1
	if i.left >= 0 {
		t.pages[i.left].right = int32(p)
	} else {
		t.heads[b] = int32(p)
	}
	t.tails[b] = int32(p)
	if t.counts[b]++; t.counts[b] == 1 {
		t.filled[b/64] |= 1 << (b % 64)
	}
}

func (t *pageTable) unlink(p int) {
	i := &t.pages[p]
	b := i.live / 4
	if i.left >= 0 {
		t.pages[i.left].right = i.right
	} else {
		t.heads[b] = i.right
	}
	if i.right >= 0 {
		t.pages[i.right].left = i.left
	} else {
		t.tails[b] = i.left
	}
	if t.counts[b]--; t.counts[b] == 0 {
		t.filled[b/64] &^= 1 << (b % 64)
	}
}

// from returns the first b or higher for which there are pages with 4b live
// bytes, -1: none.
func (t *pageTable) from(b int) int {
	if b >= len(t.heads) {
		return -1
	}
	w := t.filled[b/64] &^ (1<<(b%64) - 1)
	for i := b / 64; ; {
		if w != 0 {
			return 64*i + bits.TrailingZeros64(w)
		}
		if i++; i == len(t.filled) {
			return -1
		}
		w = t.filled[i]
	}
}

// emptiest returns the page in use with the fewest live bytes.
func (t *pageTable) emptiest() int { return int(t.heads[t.from(0)]) }

// gap returns what a page has room for once it is collected.
func (t *pageTable) gap(p int) int { return t.room - int(t.pages[p].live) }

// gaps calls f with the gaps that there are, largest first, and how many pages
// have each, until f returns false. Pages that were never used come first.
func (t *pageTable) gaps(f func(gap, pages int) bool) {
	if unused := t.most() - t.inUse; unused > 0 && !f(t.room, unused) {
		return
	}
	for b := t.from(0); b >= 0; b = t.from(b + 1) {
		if !f(t.room-4*b, int(t.counts[b])) {
			return
		}
	}
}
