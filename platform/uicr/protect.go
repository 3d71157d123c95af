package uicr

// APProtected reports whether APPROTECT keeps the debug port out.
func (u *UICR) APProtected() (bool, error) { return u.protected(u.layout.APProtect) }

// SecureAPProtected reports whether SECUREAPPROTECT keeps the debug port out of
// the secure world.
func (u *UICR) SecureAPProtected() (bool, error) { return u.protected(u.layout.SecureAPProtect) }

// EraseProtected reports whether ERASEPROTECT forbids an ERASEALL.
func (u *UICR) EraseProtected() (bool, error) { return u.protected(u.layout.EraseProtect) }

// protected is true if it cannot be known.
func (u *UICR) protected(p Protection) (bool, error) {
	for _, off := range p.Off {
		v, err := u.cells.Word(off)
		if err != nil || p.protects(v) {
			return true, err
		}
	}
	return false, nil
}

// Protect closes the debug port for good, until an ERASEALL: APPROTECT and
// SECUREAPPROTECT are written, also where the erased value protects by itself,
// as TF-M asks for before it lets a device become secured. It can be repeated.
func (u *UICR) Protect() error {
	if err := u.close(u.layout.APProtect); err != nil {
		return err
	}
	return u.close(u.layout.SecureAPProtect)
}

// ProtectNonSecure is what the NVMC's WRITEUICRNS does for the non-secure world,
// which cannot reach the page: APPROTECT becomes Protected.
func (u *UICR) ProtectNonSecure() error { return u.close(u.layout.APProtect) }

// ProtectErase forbids ERASEALL for good. It can be repeated.
func (u *UICR) ProtectErase() error { return u.close(u.layout.EraseProtect) }

func (u *UICR) close(p Protection) error { return u.set(p, p.Close) }

// Unprotect opens the debug port of a chip whose erased value closes it. One
// that has been protected stays so: the words only lose bits.
func (u *UICR) Unprotect() error {
	for _, p := range []Protection{u.layout.APProtect, u.layout.SecureAPProtect} {
		if err := u.set(p, p.Value); err != nil {
			return err
		}
	}
	return nil
}

// UnprotectNonSecure opens the debug port as Unprotect does, but not to the secure
// world: SECUREAPPROTECT becomes Protected.
func (u *UICR) UnprotectNonSecure() error {
	if err := u.set(u.layout.APProtect, u.layout.APProtect.Value); err != nil {
		return err
	}
	return u.close(u.layout.SecureAPProtect)
}

// set programs the words of p to v, where that is a change.
func (u *UICR) set(p Protection, v uint32) error {
	for _, off := range p.Off {
		old, err := u.cells.Word(off)
		if err != nil {
			return err
		}
		switch {
		case old&v == old:
			continue // bits only go
		case u.layout.WriteOnce && old != erasedWord && p.protects(old) == p.protects(v):
			continue // written before, to the same end
		}
		if err := u.ProgramWord(off, v); err != nil {
			return err
		}
	}
	return nil
}
