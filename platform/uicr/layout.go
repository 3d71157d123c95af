package uicr

import "fmt"

// Size is the size of the UICR page in bytes, on every chip.
const Size = 4096

// Slots is how many key slots a UICR that has any holds; a slot's value is
// SlotSize bytes.
const (
	Slots    = 128
	SlotSize = 16
)

// Offsets of the key slots from the UICR's base (KEYSLOT of the SVD): DEST of
// slot n at RegKeySlotConfig+8n, PERM 4 after it, VALUE[0..3] at
// RegKeySlotKey+16n.
const (
	RegKeySlotConfig = 0x400
	RegKeySlotKey    = 0x800
)

const erasedWord uint32 = 0xFFFFFFFF

// Layout is what differs between the chips' UICRs. It is not changed after New
// has been given it.
type Layout struct {
	// Base is the bus address of the page. There is no non-secure alias.
	Base uint32
	// Registers are the words with a name, but for OTP and key slots. A word
	// that has none reads as erased and cannot be written.
	Registers []Register
	// The debug port's protections.
	APProtect, SecureAPProtect, EraseProtect Protection
	// OTP is the offset of the one-time programmable memory, OTPWords its size
	// in words.
	OTP, OTPWords int
	// Unit is what can be written once, in bytes: halfwords (2) or words (4).
	Unit int
	// WriteOnce: the registers are, like the OTP. Otherwise they only lose
	// bits, as flash does.
	WriteOnce bool
	// KeySlots: the key slots of a KMU are in the page.
	KeySlots bool
}

// Register is a word of the UICR, or several under one name.
type Register struct {
	Name  string // as the SVD has it
	Off   int
	Words int
}

// Protection is what the value of a word means to the debug port.
type Protection struct {
	// Off is where the words are; each of them alone protects.
	Off []int
	// Value opens, and every other value protects, if Opens; otherwise Value
	// protects, and every other opens.
	Value uint32
	Opens bool
	// Close is what is written to protect.
	Close uint32
}

func (p Protection) protects(v uint32) bool { return (v == p.Value) != p.Opens }

// unprotectedKey opens the nRF5340's debug port, and closes the nRF54L15's.
const unprotectedKey uint32 = 0x50FA50FA

// NRF5340 is the application core of the nRF5340. One value opens the debug
// port; every other, the erased one included, protects it.
func NRF5340() *Layout {
	return &Layout{
		Base: 0x00FF8000,
		Registers: []Register{
			{"APPROTECT", 0x000, 1}, {"VREGHVOUT", 0x010, 1}, {"HFXOCNT", 0x014, 1}, {"SECUREAPPROTECT", 0x01C, 1},
			{"ERASEPROTECT", 0x020, 1}, {"TINSTANCE", 0x024, 1}, {"NFCPINS", 0x028, 1},
		},
		APProtect:       Protection{[]int{0x000}, unprotectedKey, true, 0},
		SecureAPProtect: Protection{[]int{0x01C}, unprotectedKey, true, 0},
		EraseProtect:    Protection{[]int{0x020}, erasedWord, true, 0},
		OTP:             0x100, OTPWords: 192, Unit: 2,
		KeySlots: true,
	}
}

// NRF9160 is the nRF9160. Its erased value opens the debug port and 0 protects
// it. What other values do is not documented: here they protect.
func NRF9160() *Layout {
	return &Layout{
		Base: 0x00FF8000,
		Registers: []Register{
			{"APPROTECT", 0x000, 1}, {"XOSC32M", 0x014, 1}, {"HFXOSRC", 0x01C, 1}, {"HFXOCNT", 0x020, 1},
			{"APPNVMCPOFGUARD", 0x024, 1}, {"SECUREAPPROTECT", 0x02C, 1}, {"ERASEPROTECT", 0x030, 1},
		},
		APProtect:       Protection{[]int{0x000}, erasedWord, true, 0},
		SecureAPProtect: Protection{[]int{0x02C}, erasedWord, true, 0},
		EraseProtect:    Protection{[]int{0x030}, erasedWord, true, 0},
		OTP:             0x108, OTPWords: 190, Unit: 2,
		KeySlots: true,
	}
}

// NRF54L15 is the nRF54L15: RRAM, all of it write-once by words, and no key
// slots, which are in the SICR. Each protection has two words, and the SVD names
// one value of each: here one word that differs from the erased value protects
// the debug port, and one word that is 0x50FA50FA protects from erasing.
func NRF54L15() *Layout {
	l := &Layout{
		Base: 0x00FFD000,
		Registers: []Register{
			{"APPROTECT[0].PROTECT0", 0x000, 1}, {"APPROTECT[0].PROTECT1", 0x01C, 1},
			{"SECUREAPPROTECT[0].PROTECT0", 0x020, 1}, {"SECUREAPPROTECT[0].PROTECT1", 0x03C, 1},
			{"AUXAPPROTECT[0].PROTECT0", 0x040, 1}, {"AUXAPPROTECT[0].PROTECT1", 0x05C, 1},
			{"ERASEPROTECT[0].PROTECT0", 0x060, 1}, {"ERASEPROTECT[0].PROTECT1", 0x07C, 1},
			{"BOOTCONF", 0x080, 1},
		},
		APProtect:       Protection{[]int{0x000, 0x01C}, erasedWord, true, unprotectedKey},
		SecureAPProtect: Protection{[]int{0x020, 0x03C}, erasedWord, true, unprotectedKey},
		EraseProtect:    Protection{[]int{0x060, 0x07C}, unprotectedKey, false, unprotectedKey},
		OTP:             0x500, OTPWords: 320, Unit: 4,
		WriteOnce: true,
	}
	// A key is the digest of it, 8 words, and its revocation, 3.
	for i := range 4 {
		l.Registers = append(l.Registers,
			Register{fmt.Sprintf("USER.ROT.PUBKEY[%d].DIGEST", i), 0x200 + 0x2C*i, 8},
			Register{fmt.Sprintf("USER.ROT.PUBKEY[%d].REVOKE", i), 0x220 + 0x2C*i, 3},
			Register{fmt.Sprintf("USER.ROT.AUTHOPKEY[%d].DIGEST", i), 0x2B0 + 0x2C*i, 8},
			Register{fmt.Sprintf("USER.ROT.AUTHOPKEY[%d].REVOKE", i), 0x2D0 + 0x2C*i, 3})
	}
	return l
}

// Virt is the board that is no chip: the nRF5340's page, out of the way of its
// larger flash.
func Virt() *Layout {
	l := NRF5340()
	l.Base = 0x0FFF8000
	return l
}

// OTPSize returns the size of the OTP in bytes.
func (l *Layout) OTPSize() int { return 4 * l.OTPWords }

// inSlots reports whether off is in the key slots, whose words are the KMU's.
func (l *Layout) inSlots(off int) bool { return l.KeySlots && off >= RegKeySlotConfig }

func (l *Layout) inOTP(off int) bool { return off >= l.OTP && off < l.OTP+l.OTPSize() }

// named reports whether there is a register at off.
func (l *Layout) named(off int) bool {
	for _, r := range l.Registers {
		if off >= r.Off && off < r.Off+4*r.Words {
			return true
		}
	}
	return false
}
