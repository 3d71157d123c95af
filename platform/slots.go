package platform

import (
	"fmt"

	"github.com/postern-spe/postern/platform/cracen"
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/kmu54l"
	"github.com/postern-spe/postern/platform/uicr"
)

// Slot is what may be known of a key slot, or of the slots of one key: never a
// value.
type Slot struct {
	First, Last int
	State       string // active, revoked ...
	Use         string // what the slot is for, as far as it says
}

// keySlots is the KMU, of either kind.
type keySlots interface {
	// eraseAll erases the slots, and what has been pushed from them.
	eraseAll() error
	// blank reports whether no slot has a value.
	blank() (bool, error)
	list() ([]Slot, error)
	// finish completes what a power failure has interrupted.
	finish() error
}

// uicrSlots are the slots of nRF53 and nRF91.
type uicrSlots struct {
	*kmu.KMU
	engine *cryptocell.CryptoCell
}

func (u uicrSlots) eraseAll() error {
	err := u.EraseValues()
	u.KMU.Reset()
	u.engine.Reset()
	return err
}

func (u uicrSlots) finish() error { return u.FinishRevocations() }

func (u uicrSlots) blank() (bool, error) { return u.BlankValues(), nil }

func (u uicrSlots) list() ([]Slot, error) {
	var list []Slot
	for n := range uicr.Slots {
		c, err := u.Config(n)
		if err != nil {
			return nil, err
		}
		if c.State == kmu.Empty {
			continue
		}
		use := fmt.Sprintf("permissions 0x%08x", c.Perm)
		if c.Dest != kmu.NoDest {
			use += fmt.Sprintf(", pushed to 0x%08x", c.Dest)
		}
		list = append(list, Slot{n, n, c.State.String(), nordicSlot(n) + use})
	}
	return list, nil
}

// nordicSlot names the slots that Nordic's software reserves.
func nordicSlot(n int) string {
	switch n &^ 1 {
	case kmu.SlotMKEK:
		return "MKEK, "
	case kmu.SlotMEXT:
		return "MEXT, "
	case kmu.SlotKIdent:
		return "identity key, "
	}
	return ""
}

// sicrSlots are the slots of nRF54L.
type sicrSlots struct {
	kmu    *kmu54l.KMU
	cracen *cracen.CRACEN
	engine *cracen.Engine
}

func (s sicrSlots) eraseAll() error {
	err := s.kmu.EraseAll()
	s.kmu.Reset()
	s.engine.Reset()
	return err
}

// finish: the driver's journal is dealt with at its first use.
func (s sicrSlots) finish() error { return nil }

func (s sicrSlots) blank() (bool, error) {
	list, err := s.list()
	return len(list) == 0, err
}

func (s sicrSlots) list() ([]Slot, error) {
	entries, err := s.cracen.List()
	if err != nil {
		return nil, err
	}
	var list []Slot
	for _, e := range entries {
		use := fmt.Sprintf("key 0x%08x, type 0x%04x, %d bits", e.Attributes.ID, e.Attributes.Type, e.Attributes.Bits)
		if e.Err != nil {
			use = e.Err.Error()
		}
		list = append(list, Slot{e.Slot, e.Slot + e.Slots - 1, fmt.Sprint(e.State), use})
	}
	return list, nil
}
