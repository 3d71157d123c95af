package flashlog

import (
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// removedSize is the room that is kept for the removal of an asset.
const removedSize = recordOverhead

// remembered is how many removals are remembered: collecting where the records were
// that they hide frees the room that they take themselves.
const remembered = 16

// small is up to how many pages the records of kind removed are worth collecting
// all of them for, however few there are.
const small = 64

// makeRoom makes place for a record of size bytes in the newest page. The caller
// has checked that there is room.
func (s *Store) makeRoom(size int) error {
	for moved := false; s.table.inUse == 0 || s.tail+size > s.pageSize; {
		if s.table.inUse < s.table.most() {
			if err := s.openPage(-1); err != nil {
				return err
			}
			if err := s.settle(s.next*s.pageSize-s.pageSize, s.next*s.pageSize); err != nil {
				return err
			}
			continue
		}
		victim := s.table.emptiest()
		if s.table.gap(victim) < size {
			return fmt.Errorf("no page with room for a record of %d bytes: %w", size, veneer.ErrInsufficientStorage)
		}
		if !moved && s.table.worn(s.nextWorn) {
			victim, moved = int(s.table.oldest), true
		}
		if err := s.collect(victim); err != nil {
			return err
		}
	}
	return nil
}

// admit checks that an asset of size bytes can be set, in place of old if it
// exists, and removes what is in the way. What it replaces stays live until it
// is committed.
func (s *Store) admit(size int, i id, old *entry, exists bool) error {
	if size > s.table.most()*s.pageSize {
		return veneer.ErrInsufficientStorage
	}
	after := s.live + s.footprint(size)
	if exists {
		after -= s.own(old) + len(s.parts[i])*recordSize(s.partSize)
	}
	if s.reserved >= 0 && !s.guaranteed(after, s.reserved) && after > s.live {
		return veneer.ErrInsufficientStorage
	}
	if s.fits(size, exists) {
		return nil
	}
	if s.removals == 0 {
		return veneer.ErrInsufficientStorage
	}
	for range remembered {
		if p := s.remember(-1); p >= 0 && s.table.pages[p].seq != 0 && s.table.inUse == s.table.most() {
			if err := s.collect(p); err != nil {
				return err
			}
			if s.fits(size, exists) {
				return nil
			}
		}
	}
	// In a large area a few records of kind removed are not worth the work,
	// unless it is certain that they are all there is in the way.
	if !s.guaranteed(s.live, size) && s.table.most() > small && 64*s.removals*removedSize < s.table.most()*s.room {
		return veneer.ErrInsufficientStorage
	}
	return s.purge(func() bool { return s.fits(size, exists) })
}

// remember puts a page into s.vacated, and returns the one that it displaces.
func (s *Store) remember(p int) int {
	s.vacate = (s.vacate + 1) % remembered
	old := s.vacated[s.vacate]
	s.vacated[s.vacate] = int32(p)
	return int(old)
}

// footprint returns the bytes that the records of an asset of size bytes take.
func (s *Store) footprint(size int) int {
	n, rest := split(size, s.partSize)
	return n*recordSize(s.partSize) + recordSize(rest)
}

// guaranteed reports whether an asset of size bytes fits beside live bytes of
// records of assets, wherever these are, and can be removed then.
func (s *Store) guaranteed(live, size int) bool {
	n, rest := split(size, s.partSize)
	last := recordSize(rest)
	most := last
	if n > 0 {
		most = recordSize(s.partSize)
	}
	before := live + n*recordSize(s.partSize)
	return before <= s.table.most()*(s.room-most) && before+last <= s.table.most()*(s.room-removedSize)
}

// fits reports whether the pages as they are have room for an asset of size
// bytes, and then still for a removal, unless what the asset replaces will be
// room enough.
func (s *Store) fits(size int, replaces bool) bool {
	n, rest := split(size, s.partSize)
	last, spare := recordSize(rest), removedSize
	if replaces {
		spare = 0
	}
	if n == 0 {
		largest, pages, second := 0, 0, 0
		s.table.gaps(func(gap, n int) bool {
			if pages == 0 {
				largest, pages = gap, n
				return n == 1
			}
			second = gap
			return false
		})
		if pages > 1 {
			second = largest
		}
		return largest >= last && max(second, largest-last) >= spare
	}
	// The parts go where the gaps are largest, and leave of each gap what is
	// beyond a multiple of their size.
	part := recordSize(s.partSize)
	parts, most := 0, 0
	s.table.gaps(func(gap, pages int) bool {
		parts += gap / part * pages
		most = max(most, gap%part)
		return gap >= part || most < last+spare
	})
	switch {
	case parts >= n+2:
		return true
	case parts == n+1: // the asset's own record where there is room for one more
		return max(part-last, most) >= spare
	case parts == n:
		return most >= last+spare
	}
	return false
}

// purge collects pages, the oldest first, until enough says that there is room,
// or nothing is left to gain. ErrInsufficientStorage.
func (s *Store) purge(enough func() bool) error {
	if s.table.inUse < s.table.most() {
		return veneer.ErrInsufficientStorage // pages that were never used are not in anybody's way
	}
	for newest := s.table.newest; s.removals > 0; {
		p := s.table.oldest
		if err := s.collect(int(p)); err != nil {
			return err
		}
		if enough() {
			return nil
		}
		if p == newest {
			break
		}
	}
	return veneer.ErrInsufficientStorage
}

// Reserve keeps room for setting one more asset of size bytes: from now on no
// set is accepted that would leave less, but for one that makes its asset no
// larger. A negative size takes that back. ErrInsufficientStorage: there is no
// such room, and all is as it was.
func (s *Store) Reserve(size int) error {
	if err := s.ready(); err != nil {
		return err
	}
	if size >= 0 && !s.guaranteed(s.live, size) {
		return veneer.ErrInsufficientStorage
	}
	s.reserved = max(size, -1)
	return nil
}

// Space is how the room of a store is used, in bytes.
type Space struct {
	Capacity int // for records, in the pages that can be in use
	Live     int // records of assets
	Removals int // records of assets that are gone, as long as they are needed
}

// Space returns how the room of the store is used.
func (s *Store) Space() Space {
	return Space{s.table.most() * s.room, s.live, s.removals * removedSize}
}
