package platform

import (
	"time"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
)

// Report is what Inspect tells about a device. Nothing in it is secret: sizes,
// addresses, rights and counts, and never what a cell or a key slot holds. Its
// names in JSON stay as they are.
type Report struct {
	Board       string            `json:"board"`
	ID          string            `json:"device_id"`
	Created     time.Time         `json:"created"`
	UsedBy      int               `json:"used_by_pid,omitempty"` // the process that has the device open; 0: none
	Lifecycle   string            `json:"lifecycle"`             // the PSA state, LifecycleBlank or LifecycleErasing
	KeyHardware board.KeyHardware `json:"key_hardware"`
	Debug       DebugReport       `json:"debug"`
	ITS         ITSOptions        `json:"its"`      // how the secure image has Internal Trusted Storage
	Memories    []MemoryReport    `json:"memories"` // flash, RAM, external flash, information pages
	Slots       SlotsReport       `json:"key_slots"`
	Counters    []CounterReport   `json:"counters,omitempty"` // none on a blank device
}

// What stands in a Report for the state of a device whose OTP says nothing any
// more.
const (
	LifecycleBlank   = "blank"   // wiped
	LifecycleErasing = "erasing" // being wiped, or to be by the next boot
)

// DebugReport is the protection of the debug port.
type DebugReport struct {
	Policy DebugPolicy `json:"policy"` // as provisioned
	// What the UICR says: true is protected.
	APProtect       bool `json:"approtect"`
	SecureAPProtect bool `json:"secure_approtect"`
	EraseProtect    bool `json:"eraseprotect"`
	// Port is what a debugger may use once the firmware has booted.
	Port DebugPort `json:"port"`
}

// DebugPort is how far the memory access port is open.
type DebugPort string

const (
	PortClosed    DebugPort = "closed"
	PortNonSecure DebugPort = "non-secure" // for what non-secure code sees
	PortOpen      DebugPort = "open"
)

// The memories' names in a Report.
const (
	MemoryFlash    = "flash"
	MemoryRAM      = "ram"
	MemoryExternal = "external"
	MemoryUICR     = "uicr"
	MemoryFICR     = "ficr"
	MemorySICR     = "sicr"
)

// MemoryReport is one memory of the device. Sizes are in bytes.
type MemoryReport struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // the technology, or the part; "" for information pages
	// Base is 0 where the memory is not mapped into the address space.
	Base   uint32 `json:"base"`
	Size   uint32 `json:"size"`
	Mapped bool   `json:"mapped"`
	// Controller is the instance that external flash hangs on.
	Controller string `json:"controller,omitempty"`
	// Page is the unit of erasing, Region that of protection; 0 where there is
	// none.
	Page   uint32 `json:"page_size,omitempty"`
	Region uint32 `json:"region_size,omitempty"`
	// Endurance is how often a unit of wear can be written or erased, as the
	// manual guarantees it; 0 where nothing wears.
	Endurance int      `json:"endurance,omitempty"`
	WearUnit  WearUnit `json:"wear_unit,omitempty"`
	// Areas covers the memory, in ascending order.
	Areas []AreaReport `json:"areas"`
	// PageWear is the wear of each page, or of its most worn line.
	PageWear []uint32 `json:"-"`
}

// Area returns an area by its name, and the memory that it is in; nil if there is
// none.
func (r *Report) Area(name string) (*MemoryReport, *AreaReport) {
	for i := range r.Memories {
		m := &r.Memories[i]
		for j := range m.Areas {
			if m.Areas[j].Name == name {
				return m, &m.Areas[j]
			}
		}
	}
	return nil, nil
}

// WearOf returns the wear of each page of an area of the memory, nil where nothing
// wears.
func (m *MemoryReport) WearOf(a *AreaReport) []uint32 {
	if m.PageWear == nil {
		return nil
	}
	first := (a.Base - m.Base) / m.Page
	return m.PageWear[first : first+a.Size/m.Page]
}

// End returns the first address after the memory.
func (m *MemoryReport) End() uint32 { return m.Base + m.Size }

// WearUnit is what wears out: a page with its erases, or a line of RRAM with its
// writes.
type WearUnit string

const (
	WearPage WearUnit = "page"
	WearLine WearUnit = "line"
)

// AreaReport is one part of a memory.
type AreaReport struct {
	Name string `json:"name"`
	Base uint32 `json:"base"`
	Size uint32 `json:"size"`
	// World is whose the area is after boot.
	World World `json:"world"`
	// What code of each world may do there, as the guard of the bus decides.
	Secure    Rights `json:"secure_rights"`
	NonSecure Rights `json:"non_secure_rights"`
	// Locked: boot has frozen attribute and rights until the next reset.
	Locked bool `json:"locked"`
	// Callable is the part that holds the entry veneers.
	Callable *Range `json:"callable,omitempty"`
	// Cells is nil where nothing is kept without power.
	Cells *CellsReport `json:"cells,omitempty"`
}

// End returns the first address after the area.
func (a *AreaReport) End() uint32 { return a.Base + a.Size }

// Range is a run of addresses.
type Range struct {
	Base uint32 `json:"base"`
	Size uint32 `json:"size"`
}

// World is whose a part of a memory is.
type World string

const (
	WorldSecure    World = "secure"
	WorldNonSecure World = "non-secure"
	// WorldUnmapped: no code of either world has an address of it.
	WorldUnmapped World = "unmapped"
)

// Rights are what code may do with a part of a memory: "r-x", or "---".
type Rights string

func rights(a bus.Access) Rights {
	r := []byte("---")
	for i, one := range []struct {
		right bus.Access
		sign  byte
	}{{bus.Read, 'r'}, {bus.Write, 'w'}, {bus.Execute, 'x'}} {
		if a&one.right != 0 {
			r[i] = one.sign
		}
	}
	return Rights(r)
}

// CellsReport is what non-volatile cells have been through.
type CellsReport struct {
	// Used is how many bytes are not erased.
	Used uint32 `json:"used_bytes"`
	// Of the erases of the pages, or the writes of the lines.
	Min  uint32  `json:"wear_min"`
	Mean float64 `json:"wear_mean"`
	Max  uint32  `json:"wear_max"`
	// Written is how many words have been written since their page was erased:
	// those have one write less left (nWRITE). 0 for RRAM and external flash,
	// which have no such limit.
	Written int `json:"words_written"`
}

// SlotsReport is what may be known of the key slots.
type SlotsReport struct {
	Total int          `json:"total"`
	Used  []SlotReport `json:"used"` // in ascending order; empty, never nil
}

// SlotReport is Slot.
type SlotReport struct {
	First int    `json:"first"`
	Last  int    `json:"last"`
	State string `json:"state"`
	Use   string `json:"use"`
}

// CounterReport is one of the non-volatile counters.
type CounterReport struct {
	Name  string `json:"name"`
	Value uint32 `json:"value"`
}
