package spu

// Mapping is the fixed part of PERIPHID[n].PERM: SECUREMAPPING, whether the
// peripheral's security can be chosen.
type Mapping uint32

const (
	MapNonSecure      Mapping = 0 // always non-secure
	MapSecure         Mapping = 1 // always secure
	MapUserSelectable Mapping = 2 // SECATTR decides
	MapSplit          Mapping = 3 // seen by both worlds, each with its own view

	mapMask            = 0x3
	periphPresent      = 1 << 31
	periphDMASec       = 1 << 5
	periphWritable     = PermSecure | periphDMASec | PermLock
	peripheralIDs  int = 256
)

// CheckPeripheral decides an access to a register of the peripheral with this
// ID. secureAlias says through which of its two addresses: 0x5xxx_xxxx, which
// only secure transactions may use, or 0x4xxx_xxxx, which makes the transaction
// a non-secure one whoever sends it. The rules are those of the Product
// Specification; that the secure alias of a peripheral given to the non-secure
// world answers with a BusFault is inferred.
func (s *SPU) CheckPeripheral(id uint8, secureAlias bool, attr Attribute) Fault {
	perm := s.periph[id].Load()
	if perm&periphPresent == 0 {
		return BusFault
	}
	mapping := Mapping(perm & mapMask)
	secure := mapping == MapSecure || mapping == MapUserSelectable && perm&PermSecure != 0
	switch {
	case secureAlias && attr == NonSecure, !secureAlias && secure:
		s.RaisePeripheral()
		return SecureFault
	case secureAlias && !secure && mapping != MapSplit:
		return BusFault
	}
	return NoFault
}

// RaisePeripheral raises PERIPHACCERR, for a block that refuses a part of
// itself to the non-secure world.
func (s *SPU) RaisePeripheral() { s.events[periphAccErr].Store(1) }

// RaiseFlash raises FLASHACCERR, for the secure-only information pages that no
// FLASHREGION covers.
func (s *SPU) RaiseFlash() { s.events[flashAccErr].Store(1) }
