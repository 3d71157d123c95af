package spu

import "github.com/postern-spe/postern/platform/bus"

// SECUREMAPPING of PERIPHID[n].PERM, PERIPH[n].PERM and EXTDOMAIN[n].PERM: whether
// the security can be chosen.
const (
	MapNonSecure      uint32 = 0 // always non-secure
	MapSecure         uint32 = 1 // always secure
	MapUserSelectable uint32 = 2 // SECATTR decides
	MapSplit          uint32 = 3 // as selectable, and with a view for each world
)

// The fields of PERIPHID[n].PERM and PERIPH[n].PERM above SECUREMAPPING; SECATTR
// and LOCK are PermSecure and PermLock.
const (
	DMANone          uint32 = 0 << 2 // no DMA
	DMANoSeparate    uint32 = 1 << 2 // the DMA's attribute follows SECATTR
	DMASeparate      uint32 = 2 << 2 // DMASEC decides
	PeriphDMASec     uint32 = 1 << 5
	PeriphPresent    uint32 = 1 << 31
	mapMask          uint32 = 0x3
	dmaMask          uint32 = 0x3 << 2
	periphMask              = mapMask | dmaMask | PermSecure | PeriphDMASec | PeriphPresent
	peripheralShift         = 12
	aliasMask        uint32 = 0xF0000000
	nonSecureAlias   uint32 = 0x40000000
	secureAlias      uint32 = 0x50000000
	externalWritable        = PermSecure | PermLock
)

// CheckPeripheral decides an access to a register of the peripheral whose ID is in
// bits 12 to 19 of addr. Through the secure alias only secure transactions go; a
// non-secure one ends in a SecureFault, whatever is there. Through the wrong alias
// (a secure peripheral's non-secure one, a non-secure peripheral's secure one) it
// is a BusFault for everybody, as where there is no peripheral (nRF5340 Product
// Specification, SPU, peripheral address mapping). Registers hold no code.
func (s *SPU) CheckPeripheral(addr uint32, access bus.Access, from bus.Origin) bus.Fault {
	f, event := decidePeripheral(s.periph[uint8(addr>>peripheralShift)].Load(), addr, access, from.Attr)
	if event {
		s.raise(periphAccErr)
	}
	return f
}

// decidePeripheral is the rule of PERIPHID[n].PERM, and of nRF54L's PERIPH[n].PERM.
// event says whether the refusal is one of the SPU, rather than that there is
// nothing.
func decidePeripheral(perm, addr uint32, access bus.Access, attr bus.Attribute) (f bus.Fault, event bool) {
	present := perm&PeriphPresent != 0
	secure := periphSecure(perm)
	switch addr & aliasMask {
	case secureAlias:
		switch {
		case attr == bus.NonSecure:
			return bus.SecureFault, true
		case !present || !secure && perm&mapMask != MapSplit:
			return bus.BusFault, present
		}
	case nonSecureAlias:
		if !present || secure {
			return bus.BusFault, present
		}
	default:
		return bus.BusFault, false
	}
	if access == bus.Execute {
		return bus.BusFault, true
	}
	return bus.NoFault, false
}

// periphSecure is a peripheral's effective attribute.
func periphSecure(perm uint32) bool {
	switch perm & mapMask {
	case MapNonSecure:
		return false
	case MapSecure:
		return true
	}
	return perm&PermSecure != 0
}

// dmaAttr is the attribute of a peripheral's DMA: none without a DMA, that of the
// peripheral, or, below a secure peripheral, the one chosen in DMASEC.
func dmaAttr(perm uint32) bus.Attribute {
	dma := perm & dmaMask
	if perm&PeriphPresent == 0 || dma == DMANone || !periphSecure(perm) {
		return bus.NonSecure
	}
	if dma == DMASeparate && perm&PeriphDMASec == 0 {
		return bus.NonSecure
	}
	return bus.Secure
}

// periphWritable is which bits of a peripheral's PERM take a write: see Decisions.
func periphWritable(perm uint32) uint32 {
	if perm&PeriphPresent == 0 {
		return 0
	}
	w := PermLock
	if perm&mapMask >= MapUserSelectable {
		w |= PermSecure
	}
	if perm&dmaMask == DMASeparate {
		w |= PeriphDMASec
	}
	return w
}

// DMAAttr returns the attribute of the transactions that the EasyDMA of the
// peripheral with this ID makes.
func (s *SPU) DMAAttr(id uint8) bus.Attribute { return dmaAttr(s.periph[id].Load()) }

// ExternalAttr returns the attribute of what the external domain sends: on the
// nRF5340 the network core.
func (s *SPU) ExternalAttr() bus.Attribute {
	if periphSecure(s.external.Load()) {
		return bus.Secure
	}
	return bus.NonSecure
}

// SecurePins returns which pins of a GPIO port are secure, pin p in bit p; of a
// port that does not exist, all.
func (s *SPU) SecurePins(port int) uint32 {
	if port < 0 || port >= s.v.GPIOPorts {
		return 0xFFFFFFFF
	}
	return s.gpio[port].perm.Load()
}

// SecureChannels returns which DPPI channels are secure, channel c in bit c.
func (s *SPU) SecureChannels() uint32 { return s.dppi.perm.Load() }
