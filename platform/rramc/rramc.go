// Package rramc emulates the RRAM controller of nRF54L15 before its 1524 KiB of
// resistive memory (nRF54L datasheet, chapter RRAMC; offsets and reset values
// from the device's SVD file): writes in place, the write buffer, the five region
// windows, events and the time that operations take. The block has a secure
// alias only: in the non-secure view its registers read 0 and ignore writes.
//
// Controller is the block: the bus hands it loads and stores to RRAM, after the
// guard's decision, and accesses to its registers. Area is the secure driver of
// one part of the memory, which storage partitions hold.
//
// Not emulated: DPPI (SUBSCRIBE and PUBLISH read 0), the low-power modes (TASKS_WAKEUP
// answers, LOWPOWERCONFIG can be set), and ECC errors.
//
// Attacker-controlled: addresses, widths and values of loads and stores. What the
// datasheet leaves open is decided here:
//   - READY, READYNEXT and WRITEBUFEMPTY read 1 after reset, which they do on the
//     chip once the RRAM has powered up; the SVD has them at 0.
//   - A store with WEN at 0, and an access that a window refuses, set ACCESSERROR
//     and end as a BusFault; nothing has been done. ACCESSERRORADDR keeps the
//     first address until the event is cleared.
//   - Where windows overlap, each has to permit an access; they bind the secure
//     world as well. A window with OWNER refuses the masters of another domain.
//     With WRITEONCE, a word can be written while it is 0xFFFFFFFF.
//   - The buffered area begins at the line of the first store to it. It is full
//     when each of its 32-bit units has been stored to. A write to CONFIG commits
//     it first.
package rramc

import (
	"sync"
	"time"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/clock"
)

// Config is what surrounds a controller.
type Config struct {
	Variant Variant
	Guard   bus.Guard
	Clock   *clock.Clock
	// Interrupt may be nil.
	Interrupt bus.Interrupt
	// EraseAll erases RRAM, UICR and SICR with its keys, unless ERASEPROTECT
	// forbids it: an error then, or when the power fails. It is called with no
	// lock held.
	EraseAll func() error
}

// Controller is an RRAMC and its memory. All methods are safe for concurrent
// use.
type Controller struct {
	env  Config
	rram *cells.RRAM

	// mu makes a store's decision and what it does one step. It is held while
	// the cells change, never while the clock moves or the interrupt is raised.
	mu          sync.Mutex
	config      uint32
	timeout     uint32
	power       uint32
	lowPower    uint32
	regions     [Regions]window
	events      uint32
	inten       uint32
	errorAddr   uint32
	buffer      buffer
	commitTimer *clock.Timer // of READYNEXTTIMEOUT; nil: not running
	fromRAM     bool
	until       time.Duration // the end of the operation under way; 0: long past
}

// New returns the controller of rram, in read mode. It panics when the memory is
// not of the variant's geometry, which is a property of the board.
func New(rram *cells.RRAM, c Config) *Controller {
	if rram.Size() != c.Variant.Size || rram.PageSize() != c.Variant.PageSize {
		panic("rramc: RRAM of another geometry")
	}
	r := &Controller{env: c, rram: rram}
	r.Reset()
	return r
}

// RRAM returns the cells themselves, past guard and registers: for tools
// that look at a device that is not running.
func (c *Controller) RRAM() *cells.RRAM { return c.rram }

// Variant returns what the controller's chip is like.
func (c *Controller) Variant() Variant { return c.env.Variant }

// EraseAll erases all of the RRAM and what is in the write buffer, past guard,
// windows and registers, as an ERASEALL does, each page a point of power failure.
// It takes no time on the clock.
func (c *Controller) EraseAll() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	return c.rram.EraseAll()
}

// Reset puts the registers to their reset values and opens the windows' locks.
// What is in the write buffer is lost. The core runs from RRAM again.
func (c *Controller) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config, c.timeout, c.power, c.lowPower = 0, resetTimeout, resetPower, 0
	c.regions = [Regions]window{}
	c.events, c.inten, c.errorAddr = 0, 0, resetErrorAddr
	c.drop()
	c.fromRAM, c.until = false, 0
	c.rram.SetPowerFail(cells.Wait)
}

// WriteEnabled reports whether CONFIG enables writing: it governs the UICR as
// well.
func (c *Controller) WriteEnabled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config&configWEN != 0
}

// WriteEnabledUnbuffered reports whether CONFIG enables writing with no buffer:
// what the KMU needs to provision and to revoke.
func (c *Controller) WriteEnabledUnbuffered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config == configWEN
}
