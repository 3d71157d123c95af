// Package nvmc emulates the Non-Volatile Memory Controller of nRF5340
// (application core) and nRF9160 before the internal flash (Product
// Specifications, chapter NVMC; offsets and reset values from the devices' SVD
// files): all its registers, the split between CONFIG for secure and CONFIGNS
// for non-secure memory, the time that operations take, partial erase, and the
// limit of writes to a word.
//
// Controller is the block: the bus hands it stores to flash, after the guard's
// decision, and accesses to its registers. Area is the secure driver of one part
// of the flash, which storage partitions hold.
//
// Not emulated: the instruction cache (ICACHECNF can be set, IHIT and IMISS read
// 0), and the stall of a core that reads flash while another operation is under
// way.
//
// Attacker-controlled: addresses, widths and values of stores, and the registers
// of the non-secure view. What the manual leaves open is decided here:
//   - A store that CONFIG or CONFIGNS does not enable is a BusFault, as is one
//     of a byte or halfword, one with Een or PEen that is not 0xFFFFFFFF to the
//     first word of a page, and a write past nWRITE. Nothing has been done then.
//   - A value of WEN that has no name enables nothing.
//   - WRITEUICRNS needs no write enable.
//   - Partial erase: see Controller.Store.
package nvmc

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
	// EraseAll erases flash, UICR and keys for ERASEALL, unless ERASEPROTECT forbids it: an
	// error then, or when the power fails. It is called with no lock held.
	EraseAll func() error
	// ProtectUICR sets UICR.APPROTECT to Protected, for WRITEUICRNS. It is called
	// with no lock held.
	ProtectUICR func() error
}

// Controller is an NVMC and its flash. All methods are safe for concurrent use.
type Controller struct {
	env   Config
	flash *cells.Flash

	// mu makes a store's decision and what it does one step. It is held while
	// the cells change, never while the clock moves: timers call back.
	mu               sync.Mutex
	config, configNS uint32
	partialCfg       uint32
	icache           uint32
	partial          map[int]time.Duration // of partial erase so far, by page offset

	fromRAM      bool
	begun, until time.Duration // of the operation accepted last; 0: long past
}

// New returns the controller of flash, in read mode. It panics when the flash is
// not of the variant's geometry, which is a property of the board.
func New(flash *cells.Flash, c Config) *Controller {
	if flash.Size() != c.Variant.Size || flash.PageSize() != c.Variant.PageSize {
		panic("nvmc: flash of another geometry")
	}
	n := &Controller{env: c, flash: flash}
	n.Reset()
	return n
}

// Flash returns the cells themselves, past guard and registers: for tools
// that look at a device that is not running.
func (c *Controller) Flash() *cells.Flash { return c.flash }

// Variant returns what the controller's chip is like.
func (c *Controller) Variant() Variant { return c.env.Variant }

// EraseAll erases all of the flash, past guard and registers, as an ERASEALL
// does, each page a point of power failure. It takes no time on the clock.
func (c *Controller) EraseAll() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.partial)
	return c.flash.EraseAll()
}

// Reset puts the registers to their reset values. The core runs from flash
// again. How far a page was with its partial erase is forgotten.
func (c *Controller) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config, c.configNS, c.partialCfg, c.icache = Ren, Ren, resetPartialCfg, 0
	c.partial = make(map[int]time.Duration)
	c.fromRAM, c.begun, c.until = false, 0, 0
}

// WriteEnabled reports whether CONFIG enables programming: it governs the UICR
// as well.
func (c *Controller) WriteEnabled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config == Wen
}
