// Package counters keeps the device's non-volatile counters, which only count
// up: those against rollback of images and of the protected storage, and the
// ones that the platform service lends to non-secure software (TF-M,
// tfm_plat_nv_counters.h, whose identifiers it takes). They lie in an area of
// the internal flash or RRAM that the secure world alone reaches.
//
// The promise: a value that has been returned is never followed by a smaller
// one, whatever word the power fails at, and an increment that has returned nil
// is there afterwards. An area where that cannot be told is refused. Where the
// area has a method Sync, all this holds for the host's power, too.
//
// What it does not stop: somebody who writes the area itself, with an older copy
// of the whole of it. On the chip that takes the debug port, which the
// protections close, and here the files of the device.
//
// It runs in the secure world. What it reads back may be anything; the values
// themselves are no secret.
package counters

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// ID is a counter.
type ID uint32

// The counters, numbered as TF-M's enum tfm_nv_counter_t.
const (
	PS0 ID = iota // protected storage
	PS1
	PS2
	BL2Image0 // security counter of each image that the bootloader starts
	BL2Image1
	BL2Image2
	BL2Image3
	BL1Image0
	NS0 // lent to non-secure software
	NS1
	NS2
	Count = iota
)

func (id ID) String() string {
	if id >= Count {
		return fmt.Sprintf("counter %d", uint32(id))
	}
	return [...]string{"PS_0", "PS_1", "PS_2", "BL2_0", "BL2_1", "BL2_2", "BL2_3", "BL1_0", "NS_0", "NS_1", "NS_2"}[id]
}

var (
	// ErrUnknown: there is no such counter.
	ErrUnknown = errors.New("counters: no such counter")
	// ErrMax: the counter is at its end, 0xFFFFFFFF.
	ErrMax = errors.New("counters: the counter is at its maximum")
	// ErrDecrease: a counter is never set to less than it is.
	ErrDecrease = errors.New("counters: a counter cannot count down")
	// ErrBlank: the area is erased throughout, and holds no counters yet.
	ErrBlank = errors.New("counters: the area is blank")
	// ErrDamaged: the area holds something, but not what this package and power
	// failures leave.
	ErrDamaged = errors.New("counters: the area is damaged")
	// ErrArea: the area is too small, or of an impossible shape.
	ErrArea = errors.New("counters: unsuitable area")
)

// Area is the part of flash or RRAM that holds the counters, in pages of
// PageSize bytes that Erase sets to 0xFF. Offsets and lengths that are used are
// multiples of 16; a word is programmed once between two erases, and a second
// time, with zeros, only by Format.
type Area interface {
	Size() int
	PageSize() int
	Read(off int, p []byte) error
	Program(off int, p []byte) error
	Erase(off int) error
}

// syncer is what an Area is besides whose Program and Erase return before what
// they did is on the host's disk. Sync returns when the bytes from..to are.
type syncer interface {
	Sync(from, to int) error
}

// settled is such an Area, every step of which is synced before the next: to the
// counters it is a memory like any other. An increment costs one sync, and one in
// a few hundred, which moves to the other bank, a dozen or more.
type settled struct {
	Area
	syncer
}

func (s settled) Program(off int, p []byte) error {
	if err := s.Area.Program(off, p); err != nil {
		return err
	}
	return s.Sync(off, off+len(p))
}

func (s settled) Erase(off int) error {
	if err := s.Area.Erase(off); err != nil {
		return err
	}
	return s.Sync(off, off+s.PageSize())
}

// Counters are the counters of one device. All methods are safe for concurrent
// use.
type Counters struct {
	mu     sync.Mutex
	log    *log
	values [Count]uint32
	failed error
}

// Format makes an area hold all counters at 0, whatever it held before: counters
// that were there are lost, with what they protected against. It is for a device
// that is being provisioned. A Format that a power failure ended is repeated.
func Format(a Area) error {
	l, err := newLog(a)
	if err != nil {
		return err
	}
	if err := l.clear(); err != nil {
		return err
	}
	return l.begin(0, 1, [Count]uint32{})
}

// Open reads the counters of an area, and completes what a power failure
// interrupted. Errors are ErrBlank, ErrDamaged and ErrArea, wrapped or not, and
// the area's own.
func Open(a Area) (*Counters, error) {
	l, err := newLog(a)
	if err != nil {
		return nil, err
	}
	c := &Counters{log: l}
	if c.values, err = l.recover(); err != nil {
		return nil, err
	}
	return c, nil
}

// Read returns a counter, or ErrUnknown.
func (c *Counters) Read(id ID) (uint32, error) {
	if id >= Count {
		return 0, ErrUnknown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[id], nil
}

// Increment adds one to a counter. Errors are ErrUnknown, ErrMax and the area's:
// after one of those the increment has happened or not, which the next Open
// finds out, and until then the counters can only be read.
func (c *Counters) Increment(id ID) error {
	if id >= Count {
		return ErrUnknown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values[id] == math.MaxUint32 {
		return ErrMax
	}
	return c.set(id, c.values[id]+1)
}

// Set sets a counter to v, which is not less than it is: ErrDecrease. Setting it
// to what it is writes nothing. Other errors are as for Increment.
func (c *Counters) Set(id ID, v uint32) error {
	if id >= Count {
		return ErrUnknown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case v < c.values[id]:
		return ErrDecrease
	case v == c.values[id]:
		return nil
	}
	return c.set(id, v)
}

// set is called with the lock held.
func (c *Counters) set(id ID, v uint32) error {
	if c.failed != nil {
		return c.failed
	}
	next := c.values
	next[id] = v
	var err error
	if c.log.full() {
		err = c.log.compact(next)
	} else {
		err = c.log.append(id, v)
	}
	if err != nil {
		// The area may hold half a record. Only recover knows how to go on.
		c.failed = fmt.Errorf("counters: write %v: %w", id, err)
		return c.failed
	}
	c.values = next
	return nil
}
