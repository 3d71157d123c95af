package flashlog

import (
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// Flash is an area of NOR flash or RRAM. Offsets are in bytes from its start.
type Flash interface {
	// Size returns the size of the area in bytes: at least two pages.
	Size() int
	// PageSize returns the size in bytes of what Erase erases.
	PageSize() int
	// Read fills p from off.
	Read(off int, p []byte) error
	// Program clears the bits at off that are clear in p. Both off and the
	// length of p are multiples of 4. Lines of 16 bytes are programmed in
	// ascending order, each being durable before the next; on an error an unknown
	// number of them is, and one more may be in part. Program does not keep p.
	Program(off int, p []byte) error
	// Erase sets all bits of the page that begins at off.
	Erase(off int) error
}

// Syncer is what a Flash is besides whose Program and Erase return before what
// they did is durable, as with a file's pages in the memory of a host that may
// lose its power. What has not been synced may then be there or not, in any
// order, but each aligned 512 bytes wholly so. The store syncs a record between
// its CRC and its seal, a header before what follows it, and copies before their
// mark: one sync for each record, and three for a collection.
type Syncer interface {
	// Sync returns when the bytes from..to are durable.
	Sync(from, to int) error
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
	maxPageSize = 1 << 15
	maxArea     = 1 << 31 // locations are 32 bits
	maxVersion  = 1<<48 - 1
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
	sync     Syncer // nil: not needed
	pageSize int
	room     int // bytes for records in a page
	partSize int // payload bytes of a part, the largest that a record has

	table    pageTable
	last     uint32 // sequence number of the newest page, 0: none
	tail     int    // where in the newest page the next record goes; pageSize: closed
	next     int    // the page that is opened next, which holds nothing that counts
	nextWorn uint32 // how often that page was erased
	version  uint64 // the highest that was ever used
	index    map[id]entry
	parts    map[id][]uint32   // where the parts are of assets that have any
	live     int               // bytes of the records of assets, and of scars
	removals int               // records of kind removed that are live
	reserved int               // size of the asset that there must be room for; -1: none
	vacated  [remembered]int32 // pages that the latest removals made less full; -1: none
	vacate   int               // the latest of them
	pending  pending
	scars    map[uint32]scar // by location
	found    findings
	stale    bool // the flash failed in a write: index and tail may not match it

	page   []byte // one page, for scanning
	copies []byte // one page, what is copied to it
	gone   []located
	head   [recordHeader]byte
	end    [4]byte
}

// pending is the asset that is being written: its parts count as live when
// writing it takes a collection.
type pending struct {
	id      id
	version uint64
	parts   []uint32 // those that are not written yet, or were lost, are 0
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
	s := newStore(f)
	if err := s.scan(); err != nil {
		return nil, err
	}
	return &Checked{s}, nil
}

func newStore(f Flash) *Store {
	s := &Store{
		flash:    f,
		pageSize: f.PageSize(),
		room:     f.PageSize() - pageHeader,
		reserved: -1,
		page:     make([]byte, f.PageSize()),
		copies:   make([]byte, 0, f.PageSize()),
	}
	// Four records of the largest size fill a page: larger ones would leave
	// pages that have no room for one, smaller ones cost more in headers.
	s.partSize = (s.room/4)&^3 - recordOverhead
	s.sync, _ = f.(Syncer)
	s.table.init(f.Size()/f.PageSize(), s.room)
	return s
}

// Mount finishes in the area what a power cut interrupted, and returns the open
// store. It is called once, before anything else has changed the area.
func (c *Checked) Mount() (*Store, error) {
	if err := c.store.repair(); err != nil {
		return nil, err
	}
	return c.store, nil
}

// Walk calls f for every asset, in no order. What is known of a damaged one may
// be of an older value. f does not use the store.
func (s *Store) Walk(f func(Key, Info)) error {
	if err := s.ready(); err != nil {
		return err
	}
	for k, e := range s.index {
		if e.state != removed {
			f(k.key(), Info{int(e.size), e.flags})
		}
	}
	return nil
}

// mount reads the area into the index and finishes what a power cut
// interrupted. It changes nothing in an area that it refuses.
func (s *Store) mount() error {
	if err := s.scan(); err != nil {
		return err
	}
	return s.repair()
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

// settle waits until what was written to from..to is durable.
func (s *Store) settle(from, to int) error {
	if s.sync == nil {
		return nil
	}
	if err := s.sync.Sync(from, to); err != nil {
		s.stale = true
		return ioError("sync", from, err)
	}
	return nil
}
