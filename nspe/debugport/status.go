package debugport

import (
	"errors"
	"fmt"
)

// Status is what the CTRL-AP says of a device.
type Status struct {
	Board    string
	IDR      uint32
	EraseAll EraseState
	// APProtected and SecureAPProtected are what the UICR asked for at the last
	// reset; keys may have opened, or firmware closed, the ports since.
	APProtected, SecureAPProtected bool
	// EraseProtected: ERASEALL does nothing.
	EraseProtected bool
	// MemoryOpen: the memory access port answers.
	MemoryOpen bool
	// MailboxFull: the firmware has not read the word that was sent to it.
	// MailboxPending: it has sent one.
	MailboxFull, MailboxPending bool
}

// cpuID is the processor's CPUID register, in its own part of the address space,
// behind no SPU: reading it disturbs nothing, so it is what tells whether the
// memory access port answers.
const cpuID uint32 = 0xE000ED00

// Status reads the status registers.
func (p *Port) Status() (Status, error) {
	s := Status{Board: p.board.Name}
	var erase, ap, eraseProtect, tx, rx uint32
	for _, read := range []struct {
		r  Register
		to *uint32
	}{
		{IDR, &s.IDR}, {EraseAllStatus, &erase}, {APProtectStatus, &ap}, {EraseProtectStatus, &eraseProtect},
		{MailboxTXStatus, &tx}, {MailboxRXStatus, &rx},
	} {
		v, err := p.ReadRegister(read.r)
		if err != nil {
			return Status{}, fmt.Errorf("%v: %w", read.r, err)
		}
		*read.to = v
	}
	s.EraseAll = p.board.eraseState(erase)
	s.APProtected = p.board.protects(ap, statusAPProtect)
	s.SecureAPProtected = p.board.protects(ap, statusSecureAPProtect)
	s.EraseProtected = p.board.protects(eraseProtect, statusEraseProtect)
	s.MailboxFull, s.MailboxPending = tx&1 != 0, rx&1 != 0
	var err error
	s.MemoryOpen, err = p.memoryOpen()
	return s, err
}

func (b *Board) protects(v, bit uint32) bool { return (v&bit != 0) == b.OnesProtect }

func (b *Board) eraseState(v uint32) EraseState {
	if s, ok := b.EraseStates[v]; ok {
		return s
	}
	return EraseBusy
}

func (p *Port) memoryOpen() (bool, error) {
	_, err := p.Memory().Load(cpuID, wordWidth)
	var fault *FaultError
	switch {
	case errors.Is(err, ErrProtected):
		return false, nil
	case errors.As(err, &fault):
		return true, nil // it answers, if only that nothing is there
	}
	return err == nil, err
}

// ErrStillProtected is a key that opened nothing: it is not the firmware's, or
// the UICR protects too.
var ErrStillProtected = errors.New("the access port is still closed: the firmware has not written this key, or the UICR protects")

// Unlock offers a key to the firmware. On the nRF5340 it goes to both
// APPROTECT.DISABLE and SECUREAPPROTECT.DISABLE: a port opens when the firmware
// has written the same, which is not 0, to its side of the register, and the UICR
// leaves it open. On the nRF54L15 it goes through the mailbox, and the firmware
// raises the debug signals. The error is nil when the memory access port answers,
// if perhaps for non-secure memory alone. On the nRF9160, where the UICR alone
// decides, it is a *NoRegisterError.
func (p *Port) Unlock(key uint32) error {
	for _, r := range p.board.unlock {
		if err := p.WriteRegister(r, key); err != nil {
			return err
		}
	}
	open, err := p.memoryOpen()
	if err == nil && !open {
		err = ErrStillProtected
	}
	return err
}
