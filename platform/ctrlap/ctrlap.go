// Package ctrlap emulates the CTRL-AP of the nRF5340 application core (nRF5340
// Product Specification, chapter CTRL-AP): the one access port that a debug
// probe reaches whatever the state of the protection.
//
// Emulated, read-only: IDR, the protection status, ERASEPROTECT.STATUS and
// ERASEALLSTATUS (always ready). Everything else, ERASEALL and the DISABLE keys
// among it, reads 0 and ignores writes, so a protected device stays protected.
// The offset and the value of every access are the debugger's choice.
package ctrlap

import "github.com/postern-spe/postern/platform/uicr"

// Register offsets as the debugger sees them.
const (
	RegEraseAllStatus     = 0x008
	RegAPProtectStatus    = 0x00C
	RegEraseProtectStatus = 0x018
	RegIDR                = 0x0FC
)

// The bits of RegAPProtectStatus: 1 where the UICR leaves the port open. The
// register is the nRF91's, and debug probes look for it on the nRF5340 as well;
// the Product Specification's overview does not list it.
const (
	APProtectDisabled       uint32 = 1 << 0
	SecureAPProtectDisabled uint32 = 1 << 1
)

// EraseProtectDisabled is the bit of RegEraseProtectStatus: 1 where the UICR
// lets a debugger erase everything.
const EraseProtectDisabled uint32 = 1 << 0

// IDR is the identification that debug probes expect of this access port; the
// Product Specification's own value is unconfirmed.
const IDR uint32 = 0x12880000

// CtrlAP is the access port. It is safe for concurrent use.
type CtrlAP struct{ uicr *uicr.UICR }

// New returns the access port of a device with this UICR.
func New(u *uicr.UICR) *CtrlAP { return &CtrlAP{u} }

// Read returns the register at an offset.
func (c *CtrlAP) Read(off uint32) uint32 {
	var v uint32
	switch off {
	case RegIDR:
		return IDR
	case RegAPProtectStatus:
		if open(c.uicr.APProtected()) {
			v |= APProtectDisabled
		}
		if open(c.uicr.SecureAPProtected()) {
			v |= SecureAPProtectDisabled
		}
	case RegEraseProtectStatus:
		if open(c.uicr.EraseProtected()) {
			v |= EraseProtectDisabled
		}
	}
	return v
}

// open: a UICR that cannot be read protects.
func open(protected bool, err error) bool { return err == nil && !protected }

// Write is a write to the register at an offset: ignored.
func (c *CtrlAP) Write(off, v uint32) {}
