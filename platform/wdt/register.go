package wdt

import "github.com/postern-spe/postern/platform/bus"

// ReadRegister returns the register at off. Both views see the same: the guard
// gives the whole watchdog to one of the worlds.
func (w *WDT) ReadRegister(off uint32, _ bus.Attribute) (uint32, bus.Fault) {
	if !w.c.Variant.Registers[off] {
		return 0, bus.NoFault
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch off {
	case RegEventsTimeout:
		return w.events & EventTimeout, bus.NoFault
	case RegEventsStopped:
		return w.events & EventStopped / EventStopped, bus.NoFault
	case RegInten, RegIntenSet, RegIntenClr:
		return w.inten, bus.NoFault
	case RegIntPend:
		return w.inten & w.events, bus.NoFault
	case RegNMIen, RegNMIenSet, RegNMIenClr:
		return w.nmien, bus.NoFault
	case RegRunStatus:
		if w.running {
			return 1, bus.NoFault
		}
	case RegReqStatus:
		return w.rren &^ w.requested, bus.NoFault
	case RegCRV:
		return w.crv, bus.NoFault
	case RegRREN:
		return w.rren, bus.NoFault
	case RegConfig:
		return w.config, bus.NoFault
	}
	return w.stored[off], bus.NoFault
}

// WriteRegister stores to the register at off.
func (w *WDT) WriteRegister(off, v uint32, _ bus.Attribute) bus.Fault {
	if !w.c.Variant.Registers[off] {
		return bus.NoFault
	}
	w.mu.Lock()
	lines := w.write(off, v)
	w.mu.Unlock()
	call(lines)
	return bus.NoFault
}

func (w *WDT) write(off, v uint32) []bus.Interrupt {
	if off >= RegRR {
		w.request(1<<((off-RegRR)/4), v)
		return nil
	}
	switch off {
	case RegTasksStart:
		if v&1 != 0 && !w.running {
			w.running = true
			w.reload()
		}
	case RegTasksStop:
		return w.stop(v)
	case RegTSEN:
		w.mayStop = v == Reload
	case RegEventsTimeout:
		return w.setEvent(EventTimeout, v)
	case RegEventsStopped:
		return w.setEvent(EventStopped, v)
	case RegInten:
		return w.enable(v, w.nmien)
	case RegIntenSet:
		return w.enable(w.inten|v, w.nmien)
	case RegIntenClr:
		return w.enable(w.inten&^v, w.nmien)
	case RegNMIen:
		return w.enable(w.inten, v)
	case RegNMIenSet:
		return w.enable(w.inten, w.nmien|v)
	case RegNMIenClr:
		return w.enable(w.inten, w.nmien&^v)
	case RegSubscribeStart, RegSubscribeStop, RegPublishTimeout, RegPublishStopped:
		w.stored[off] = v & channelMask
	case RegCRV, RegRREN, RegConfig:
		w.configure(off, v)
	}
	return nil
}

// configure sets what can be set only while the watchdog does not run: software
// that goes wrong cannot slacken it.
func (w *WDT) configure(off, v uint32) {
	switch {
	case w.running:
	case off == RegCRV:
		w.crv = v
	case off == RegRREN:
		w.rren = v & (1<<channels - 1)
	case off == RegConfig:
		w.config = v & w.c.Variant.Config
	}
}

// request is a write to a reload request register. The count begins again once
// all that are enabled have been written.
func (w *WDT) request(channel, v uint32) {
	if !w.running || v != Reload || w.rren&channel == 0 || w.late {
		return
	}
	w.requested |= channel
	if w.rren&^w.requested == 0 {
		w.reload()
	}
}

// stop stops the watchdog where CONFIG was set to allow it before the start, and
// TSEN has been written.
func (w *WDT) stop(v uint32) []bus.Interrupt {
	if v&1 == 0 || !w.running || w.config&ConfigStopEn == 0 || !w.mayStop || w.late {
		return nil
	}
	w.halt()
	return w.raise(EventStopped)
}

func (w *WDT) setEvent(event, v uint32) []bus.Interrupt {
	if v&1 == 0 {
		w.events &^= event
		return nil
	}
	return w.raise(event)
}

// enable sets INTEN and NMIEN. An event that was waiting raises its line.
func (w *WDT) enable(inten, nmien uint32) []bus.Interrupt {
	inten, nmien = inten&w.c.Variant.Events, nmien&w.c.Variant.Events
	l := w.lines(w.events&inten&^w.inten, w.events&nmien&^w.nmien)
	w.inten, w.nmien = inten, nmien
	return l
}
