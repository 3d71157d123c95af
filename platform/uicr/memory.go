package uicr

import (
	"encoding/binary"

	"github.com/postern-spe/postern/platform/bus"
)

// Denied is what a load from the key slots gives where nothing may be read.
const Denied uint32 = 0xDEADDEAD

// Load is a load of the page.
func (u *UICR) Load(addr uint32, p []byte, access bus.Access, from bus.Origin) bus.Fault {
	off, f := u.decide(addr, len(p), access, from)
	if f != bus.NoFault {
		return f
	}
	var word [4]byte
	for len(p) > 0 {
		v, err := u.load(off &^ 3)
		if err != nil {
			return bus.BusFault
		}
		binary.LittleEndian.PutUint32(word[:], v)
		n := copy(p, word[off%4:])
		off, p = off+n, p[n:]
	}
	return bus.NoFault
}

// Store is a store of a word, if the controller enables it. What of it the
// write-once rules do not take is ignored.
func (u *UICR) Store(addr uint32, width int, v uint32, from bus.Origin) bus.Fault {
	off, f := u.decide(addr, width, bus.Write, from)
	if f != bus.NoFault {
		return f
	}
	if width != 4 || off%4 != 0 {
		return bus.BusFault
	}
	if f := u.enable(); f != bus.NoFault {
		return f
	}
	if u.store(off, v) != nil {
		return bus.BusFault
	}
	return bus.NoFault
}

// decide applies what holds for every access.
func (u *UICR) decide(addr uint32, n int, access bus.Access, from bus.Origin) (int, bus.Fault) {
	off := int(addr) - int(u.layout.Base)
	switch {
	case off < 0 || n > Size || off > Size-n || access == bus.Execute:
		return 0, bus.BusFault
	case from.Attr != bus.Secure:
		return 0, bus.SecureFault
	}
	return off, bus.NoFault
}

func (u *UICR) load(off int) (uint32, error) {
	if !u.layout.inSlots(off) {
		return u.cells.Word(off)
	}
	if k := u.keyUnit(); k != nil {
		return k.LoadSlot(uint32(off)), nil
	}
	return Denied, nil
}

func (u *UICR) store(off int, v uint32) error {
	if u.layout.inSlots(off) {
		if k := u.keyUnit(); k != nil {
			return k.StoreSlot(uint32(off), v)
		}
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.layout.inOTP(off), u.layout.WriteOnce && u.layout.named(off):
		v, err := u.accepted(off, u.layout.Unit, v)
		if err != nil {
			return err
		}
		return u.and(off, v)
	case u.layout.named(off):
		return u.and(off, v)
	}
	return nil
}
