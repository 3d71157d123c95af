package platform

import (
	"fmt"

	"github.com/postern-spe/postern/platform/resetctl"
)

// ResetReason is why the processor starts.
type ResetReason uint8

const (
	PowerOn  ResetReason = iota
	Software             // AIRCR.SYSRESETREQ
	Watchdog             // the watchdog's timeout
	Debug                // RESET of the CTRL-AP
	EraseAll             // an ERASEALL, after which nothing of a program is left
)

var resetNames = [...]string{"power-on", "software", "watchdog", "debugger", "erase-all"}

func (r ResetReason) String() string { return resetNames[r] }

// ParseResetReason is the inverse of String.
func ParseResetReason(s string) (ResetReason, error) {
	for r, name := range resetNames {
		if s == name {
			return ResetReason(r), nil
		}
	}
	return PowerOn, fmt.Errorf("platform: no reset reason %q", s)
}

// register is the reason as RESETREAS has it. Here a boot finds the last reset's
// reason alone: the firmware before it is taken to have read and cleared the rest.
func (r ResetReason) register() resetctl.Reason {
	return [...]resetctl.Reason{0, resetctl.System, resetctl.Watchdog0, resetctl.CtrlAP, resetctl.CtrlAP}[r]
}

// reset tells the owner of the SoC that something has reset the chip: once, and
// once more when an ERASEALL comes after something else. The processor of the chip
// would stop in the middle of an instruction; here it goes on until the owner has
// ended it.
func (s *SoC) reset(why ResetReason) {
	if why == Debug && s.openedByErase {
		// A probe resets the chip after its ERASEALL, which has reset it by itself
		// here: the port is open after that one.
		why = EraseAll
	}
	tell := func() {
		if s.onReset != nil {
			go s.onReset(why)
		}
	}
	if why != EraseAll {
		s.resetOnce.Do(tell)
		return
	}
	s.eraseOnce.Do(func() {
		s.resetOnce.Do(func() {}) // nothing comes after it
		tell()
	})
}
