// Package dppic emulates the DPPI controller (Product Specifications of nRF5340
// and nRF9160 and nRF54L15 datasheet, chapter DPPI; registers from the SVDs): which
// channels between peripherals are enabled, one by one or in groups. It is a split
// peripheral, whose channels belong each to one world.
//
// Through the non-secure view secure channels read 0 and ignore writes, and so do
// all registers of a secure channel group, without a fault or an event. Which
// channels are secure the SPU says. A group is secure while a secure channel is in
// it; on nRF54L also where the SPU says so.
//
// Emulated: all registers, the tasks of the groups, and their subscriptions to what
// Publish brings. The channels lead nowhere else: other peripherals' subscriptions
// are theirs.
//
// Registers are reached over the bus, the non-secure view by non-secure programs.
//
// # Decisions
//
//   - nRF54L15's datasheet has accesses to a secure group's registers ignored in
//     one chapter and fault in another: they are ignored, as on the others.
//   - A non-secure write to SUBSCRIBE_CHG may name a secure channel, and nothing
//     comes from there: whether a group hears of a channel is decided when the
//     event is there, by what both are then.
//   - Bits of channels and registers of groups that do not exist read 0 and ignore
//     writes.
package dppic

import (
	"sync"

	"github.com/postern-spe/postern/platform/bus"
)

// Register offsets from the controller's base.
const (
	RegTasksChg     = 0x000 // EN at +8n, DIS at +8n+4
	RegSubscribeChg = 0x080 // EN at +8n, DIS at +8n+4: CHIDX bits 0 to 7, EN bit 31
	RegChEn         = 0x500
	RegChEnSet      = 0x504
	RegChEnClr      = 0x508
	RegChg          = 0x800 // +4n

	subscribeEnable uint32 = 1 << 31
	subscribeMask          = subscribeEnable | 0xFF
)

const (
	maxChannels = 32
	maxGroups   = 6
)

// Variant is one controller, as data.
type Variant struct {
	Name             string
	Channels, Groups int
}

// NRF5340 returns the controller of the nRF5340's application core.
func NRF5340() []Variant { return []Variant{{"DPPIC", 32, 6}} }

// NRF9160 returns the controller of the nRF9160.
func NRF9160() []Variant { return []Variant{{"DPPIC", 16, 6}} }

// NRF54L15 returns the four controllers of the nRF54L15.
func NRF54L15() []Variant {
	return []Variant{{"DPPIC00", 8, 2}, {"DPPIC10", 24, 6}, {"DPPIC20", 16, 6}, {"DPPIC30", 4, 2}}
}

// Attribution is what the SPU says. The functions are called at every access, and
// take no part in the controller.
type Attribution struct {
	// Channels returns which channels are secure, channel c in bit c.
	Channels func() uint32
	// Groups returns which channel groups are secure, group g in bit g. It is
	// nil where groups have no attribute of their own: on nRF53 and nRF91.
	Groups func() uint32
}

// DPPIC is one controller. It is a bus.Peripheral. All methods are safe for
// concurrent use.
type DPPIC struct {
	v  Variant
	by Attribution

	mu        sync.Mutex
	enabled   uint32
	group     [maxGroups]uint32
	subscribe [maxGroups][2]uint32 // EN, DIS
}

var _ bus.Peripheral = (*DPPIC)(nil)

// New returns a controller as a reset leaves it.
func New(v Variant, by Attribution) *DPPIC {
	if v.Channels > maxChannels || v.Groups > maxGroups {
		panic("dppic: impossible variant")
	}
	return &DPPIC{v: v, by: by}
}

// Reset puts all registers back.
func (d *DPPIC) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.enabled = 0
	d.group = [maxGroups]uint32{}
	d.subscribe = [maxGroups][2]uint32{}
}

// Enabled returns which channels are enabled, channel c in bit c.
func (d *DPPIC) Enabled() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.enabled
}

// Publish brings an event of a peripheral with the attribute attr to a channel,
// and reports whether the channel carries it: it exists, is enabled, and is not a
// secure one that a non-secure peripheral would use. The groups that have
// subscribed do their tasks; where one enables and another disables a channel at
// once, it is enabled.
func (d *DPPIC) Publish(channel uint8, attr bus.Attribute) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	secure := d.by.Channels()
	bit := uint32(1) << channel & d.channels() // 0 above channel 31
	if bit&d.enabled == 0 || attr == bus.NonSecure && secure&bit != 0 {
		return false
	}
	var tasks [2]uint32 // the channels to enable, to disable
	for g := range d.v.Groups {
		if secure&bit != 0 && !d.isSecure(g, secure) {
			continue
		}
		for i, s := range d.subscribe[g] {
			if s == subscribeEnable|uint32(channel) {
				tasks[i] |= d.group[g]
			}
		}
	}
	d.enabled = d.enabled&^tasks[1] | tasks[0]
	return true
}

func (d *DPPIC) channels() uint32 { return uint32(1<<d.v.Channels - 1) }

// isSecure reports whether a group is secure, secure being the channels that are.
func (d *DPPIC) isSecure(group int, secure uint32) bool {
	return d.group[group]&secure != 0 || d.by.Groups != nil && d.by.Groups()>>group&1 != 0
}
