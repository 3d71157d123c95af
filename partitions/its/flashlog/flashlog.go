// Package flashlog is the store of Internal Trusted Storage: assets of any
// length, each under an owner and a uid, in an area of NOR flash. It stands
// where TF-M has its ITS flash file system, and gives the atomicity that the
// PSA Secure Storage API 1.0 asks of psa_its_set. The ITS partition alone calls
// it. Lengths, uids and contents of assets come from untrusted clients; what
// the flash holds is not trusted to be undamaged, but is not taken for the work
// of somebody who can write it: the checks are against power cuts and decay.
//
// # Flash
//
// The flash programs words of four bytes, clearing bits only, and erases pages,
// which sets them all (nRF5340 Product Specification, NVMC). Power may fail at
// every word and at every erase. A word that was being programmed then has any
// subset of its bits cleared, a page that was being erased any subset of its
// bits set. The store programs no word twice that it finds programmed.
//
// # Layout
//
// The area is a ring of N pages, N >= 2. Page sequence numbers count from 1, and
// the page with sequence s is always page (s-1) mod N, so that wear is level by
// construction. Pages first..last are in use, at most N-1 of them; the page
// after last is the reserve. A page is a header and then records, one behind
// the other, none across pages:
//
//	page    0 seq   4 ^seq   8 seq   12 ^seq   16 mark   20 records
//	record  0 kind u8, create flags u8, payload length u16
//	        4 owner i32   8 uid u64   16 version u32
//	        20 asset size u32, or the index of a part
//	        24 CRC-32C of bytes 0..23
//	        28 payload, to a word with 0xFF; CRC-32C of bytes 0..27 and the payload; seal
//
// An asset is one record of kind asset, preceded by as many records of kind
// part, all of the largest size, as its length takes; they share a version that
// no other set of the asset has had. A record of kind removed takes an asset
// away. A record of kind lost says that an asset is there but was damaged.
//
// # The commit rule
//
// Words are programmed in ascending order. A record counts when its second
// CRC, the last word but the seal, matches. That word is never 0xFFFFFFFF, so a
// power cut before it leaves it blank or with bits yet to be cleared, and it
// does not match; a cut in the seal leaves it matching. So it is that word alone
// that commits a record, an asset's own record is the last of its records, and
// a reader finds the old asset until then and the new one from then on. It does
// not rest on a CRC being lucky with half a record: a cut anywhere before
// leaves the second CRC blank, and blank does not match.
//
// The seal tells a torn record from a damaged one. It is programmed only after
// the CRC is complete, so a record whose seal is not blank was complete once,
// and one that no longer matches its CRC then is reported as corrupt instead of
// being passed over, which would bring back the value before it. A record that
// a cut left complete but without seal is sealed when the store is opened.
// After a torn record nothing more is written to its page.
//
// # Collection
//
// When the newest page is full the oldest is collected: the reserve gets the
// next sequence number, the live records of the oldest page are copied to it,
// its mark is programmed, and the oldest page is erased to be the reserve. The
// copies always fit, since they come from one page. Three states can be found
// after a cut. Without mark, all N pages have valid headers, and the newest
// holds nothing but copies: it is erased, and nothing has happened. With mark,
// the oldest page is retired whatever its header says: it is erased again, and
// none of its records, which may be old values or removed assets, is looked at.
// A header cannot be mistaken: seq and ^seq have 32 bits set between them, and
// neither a torn program nor a torn erase changes bits in both directions.
//
// No record of kind removed is ever copied: what it removes is in its own page
// or in older pages, and they are retired before it or with it.
//
// # Room
//
// With P bytes for records in a page, a record of r bytes is accepted while the
// live records are at most (N-1)(P-r) bytes: one of the N-1 pages in use then
// has at most P-r live bytes, and N-1 collections at most come to it. Room for
// one record of kind removed is kept besides, so that an asset can always be
// removed. Live bytes depend on the assets only, not on history, so a store
// that was emptied takes as much as it took before.
//
// # Damage
//
// Any one flipped bit is corrected (record headers, by their CRC, whose Hamming
// distance at this length is 6), does not matter (one of two page headers,
// marks, seals, unused space), or is reported (payloads). A record header that
// is beyond repair hides what follows in its page, so every asset last written
// before that point is reported as corrupt: it may have had a newer value. Page
// headers that no power cut can have left keep the store from being opened, and
// nothing is changed: Check finds them, and every page in use that cannot be
// read, before Checked.Mount writes anything.
package flashlog

import (
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// Flash is an area of NOR flash. Offsets are in bytes from its start.
type Flash interface {
	// Size returns the size of the area in bytes: at least two pages.
	Size() int
	// PageSize returns the size in bytes of what Erase erases.
	PageSize() int
	// Read fills p from off.
	Read(off int, p []byte) error
	// Program clears the bits at off that are clear in p. Both off and the
	// length of p are multiples of 4. Words are programmed in ascending order,
	// each being durable before the next; on an error an unknown number of them
	// is, and one more may be in part. Program does not keep p.
	Program(off int, p []byte) error
	// Erase sets all bits of the page that begins at off.
	Erase(off int) error
}

// Key names an asset: the same uid of two owners is two assets.
type Key struct {
	Owner int32
	UID   uint64
}

// Flags are the create flags of an asset, psa_storage_create_flags_t; the store
// keeps all and acts on WriteOnce.
type Flags uint8

// WriteOnce is PSA_STORAGE_FLAG_WRITE_ONCE.
const WriteOnce Flags = 1

// Info is what the store knows of an asset without reading it.
type Info struct {
	Size  int // bytes
	Flags Flags
}

// Limits of the area's geometry.
const (
	minPageSize = 512
	maxPageSize = 1 << 15 // payload lengths are 16 bits
	maxArea     = 1 << 31 // locations are 32 bits
)

// Store is an open store. It is for one goroutine at a time.
//
// Its errors wrap one of these: veneer.ErrDoesNotExist, veneer.ErrNotPermitted
// (the asset is write-once), veneer.ErrInvalidArgument (an offset past the
// asset's end), veneer.ErrInsufficientStorage, veneer.ErrDataCorrupt,
// veneer.ErrStorageFailure (the flash answered an error; what the operation was
// to change is wholly done or wholly not, and which shows at the next one).
type Store struct {
	flash    Flash
	pageSize int
	pages    int
	partSize int // payload bytes of a part, the largest that a record has

	first, last uint32 // sequence numbers in use; first = last+1 where none is
	tail        int    // where in page last the next record goes; pageSize: closed
	version     uint32 // the highest that was ever used
	live        int    // bytes of the records in index, as collection would leave them
	index       map[Key]entry
	pending     pending
	unsealed    []uint32 // from scan to repair: where the seals are that a cut has left out
	stale       bool     // the flash failed in a write: index and tail may not match it

	page []byte // one page, for scanning
	head [recordHeader]byte
	end  [12]byte
}

// entry is where an asset is.
type entry struct {
	loc     uint32   // of its own record, the last of its records, in the area
	size    uint32   // bytes of the asset
	version uint32   // shared by its records
	parts   []uint32 // where its parts are, nil for an asset of one record
	flags   Flags
	lost    bool // damaged beyond reading, or perhaps not the latest
}

// pending is the asset that is being written: its parts count as live when
// writing it takes a collection.
type pending struct {
	key     Key
	version uint32
	parts   []uint32
}

// Open is Check and then Mount.
func Open(f Flash) (*Store, error) {
	c, err := Check(f)
	if err != nil {
		return nil, err
	}
	return c.Mount()
}

// Checked is an area that Check has found good.
type Checked struct{ store *Store }

// Check reads the store that is in the area, or an empty one where the area is
// blank, and changes nothing. ErrDataCorrupt: the area holds something that this
// package has not left there. ErrInvalidArgument: the area is not of a shape that
// the store can use. An error about a place begins with its offset in the area.
func Check(f Flash) (*Checked, error) {
	size, pageSize := f.Size(), f.PageSize()
	if pageSize < minPageSize || pageSize > maxPageSize || pageSize%4 != 0 || size%pageSize != 0 ||
		size < 2*pageSize || size > maxArea {
		return nil, fmt.Errorf("size of %d bytes with pages of %d: %w", size, pageSize, veneer.ErrInvalidArgument)
	}
	s := &Store{
		flash:    f,
		pageSize: pageSize,
		pages:    size / pageSize,
		// Four records of the largest size fill a page: larger ones would cost
		// room by the rule above, smaller ones by their headers.
		partSize: ((pageSize-pageHeader)/4)&^3 - recordOverhead,
		page:     make([]byte, pageSize),
	}
	if err := s.scan(); err != nil {
		return nil, err
	}
	return &Checked{s}, nil
}

// Mount finishes in the area what a power cut interrupted, and returns the open
// store. It is called once, before anything else has changed the area.
func (c *Checked) Mount() (*Store, error) {
	if err := c.store.repair(); err != nil {
		return nil, err
	}
	return c.store, nil
}

// ready returns the store to what the flash holds after an operation that the
// flash failed.
func (s *Store) ready() error {
	if !s.stale {
		return nil
	}
	return s.mount()
}

// ioError is an error of the flash.
func ioError(step string, off int, err error) error {
	return fmt.Errorf("offset 0x%x: %s: %w: %w", off, step, err, veneer.ErrStorageFailure)
}

func (s *Store) read(off int, p []byte) error {
	if err := s.flash.Read(off, p); err != nil {
		return ioError("read", off, err)
	}
	return nil
}

// program is the only way in which the store writes. A failure makes the index
// doubtful, for the words may have been programmed all the same.
func (s *Store) program(off int, p []byte) error {
	if err := s.flash.Program(off, p); err != nil {
		s.stale = true
		return ioError("program", off, err)
	}
	return nil
}

func (s *Store) erase(off int) error {
	if err := s.flash.Erase(off); err != nil {
		s.stale = true
		return ioError("erase", off, err)
	}
	return nil
}
