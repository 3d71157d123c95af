package ctrlap

// eraseState is how far ERASEALL is.
type eraseState uint8

const (
	eraseReady eraseState = iota
	eraseBusy
	eraseDone
	eraseFailed
	eraseStates = iota
)

// Erased reports whether an ERASEALL has come to its end since the reset: the
// next boot is one that it opens.
func (a *CtrlAP) Erased() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state == eraseDone
}

// blocked reports whether the debugger's ERASEALL is closed to it.
func (a *CtrlAP) blocked() bool {
	if s := a.c.Signals; s != nil && s.EraseProtected() {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.eraseProtected
}

// eraseAll wipes the device, unless that is under way. It is called with the
// lock released, and returns when the erase has ended.
func (a *CtrlAP) eraseAll() {
	a.mu.Lock()
	if a.state == eraseBusy {
		a.mu.Unlock()
		return
	}
	a.state = eraseBusy
	a.mu.Unlock()
	err := a.c.EraseAll()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = eraseDone
	if err != nil {
		a.state = eraseFailed
	}
}
