package platform

import (
	"fmt"
	"strings"

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
		list = append(list, Slot{n, n, c.State.String(), nordicSlot(n) + permissions(c)})
	}
	return list, nil
}

// permissions says what a slot's PERM and DEST come to.
func permissions(c kmu.Config) string {
	var may []string
	if c.Perm&kmu.PermPush != 0 {
		may = append(may, fmt.Sprintf("pushed to 0x%08x", c.Dest))
	}
	if c.Perm&kmu.PermRead != 0 {
		may = append(may, "readable")
	}
	if c.Perm&kmu.PermWrite != 0 {
		may = append(may, "writable")
	}
	return fmt.Sprintf("%s (PERM 0x%08x)", strings.Join(may, ", "), c.Perm)
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

// keyType names the PSA key types that the KMU's metadata can say.
func keyType(t uint16) string {
	for _, n := range []struct {
		typ  uint16
		name string
	}{
		{0x1001, "raw data"}, {0x1100, "HMAC"}, {0x2004, "ChaCha20"}, {0x2400, "AES"},
		{0x4112, "ECC public key, SECP_R1"}, {0x4142, "ECC public key, twisted Edwards"},
		{0x7112, "ECC key pair, SECP_R1"}, {0x7142, "ECC key pair, twisted Edwards"},
	} {
		if n.typ == t {
			return n.name
		}
	}
	return fmt.Sprintf("type 0x%04x", t)
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
		use := "" // of a revoked slot nothing is known
		switch {
		case e.Err == nil && e.Slot == cracen.SlotSeed:
			use = fmt.Sprintf("seed of the root keys and the identity key, %d bits", e.Attributes.Bits)
		case e.Err == nil:
			use = fmt.Sprintf("key 0x%08x, %s, %d bits", e.Attributes.ID, keyType(e.Attributes.Type), e.Attributes.Bits)
		case e.State == kmu54l.Provisioned:
			use = e.Err.Error()
		}
		list = append(list, Slot{e.Slot, e.Slot + e.Slots - 1, fmt.Sprint(e.State), use})
	}
	return list, nil
}
