package board

import "github.com/postern-spe/postern/platform/bus"

// peripherals: that they lie beside each other and that their fields agree.
func (c *complaints) peripherals(b *Board) {
	instances := map[string]bool{}
	var last Peripheral
	for _, p := range b.Peripherals {
		if p.Base < last.End() {
			c.addf("%s at 0x%x overlaps %s or comes after it in the table", p.Name, p.Base, last.Name)
		}
		last = p
		if p.Base&aliasMask != 0 || p.End()&aliasMask != 0 || p.Size == 0 || p.Base%4 != 0 || p.Size%4 != 0 {
			c.addf("%s has 0x%x bytes at 0x%x", p.Name, p.Size, p.Base)
		}
		for _, name := range p.Instances() {
			if name == "" || instances[name] {
				c.addf("%q twice", name)
			}
			instances[name] = true
			if got, ok := b.Peripheral(name); !ok || got != p {
				c.addf("Peripheral(%q) = %v, %v", name, got, ok)
			}
		}
		if p.Mapping > MapSplit || p.DMA > SeparateAttribute {
			c.addf("%s: mapping %d, DMA %d", p.Name, p.Mapping, p.DMA)
			continue
		}
		switch {
		case p.Mapping == MapSecure && (p.SecAttr != bus.Secure || p.NonSecure),
			p.Mapping == MapNonSecure && (p.SecAttr != bus.NonSecure || !p.NonSecure):
			c.addf("%s is fixed %v, but %v at reset and non-secure %v after boot", p.Name, p.Mapping, p.SecAttr, p.NonSecure)
		}
		// On these chips the interrupt's number is that of the page.
		if page := int(p.Base >> 12 & 0x1FF); p.IRQ != NoIRQ && p.IRQ != page && p.IRQ != page&0xFF {
			c.addf("%s has interrupt %d and page %d", p.Name, p.IRQ, page)
		}
		for _, view := range []bus.Attribute{bus.Secure, bus.NonSecure} {
			for _, addr := range []uint32{p.Address(view), p.Address(view) + p.Size - 1} {
				if got, ok := b.PeripheralAt(addr); !ok || got != p {
					c.addf("PeripheralAt(0x%08x) = %v, %v", addr, got, ok)
				}
			}
		}
	}
}

// ids: that permission words belong to one peripheral each. Only the ports of
// the nRF5340 share one: they lie in one page.
func (c *complaints) ids(b *Board) {
	type word struct {
		spu uint32
		id  int
	}
	used := map[word]Peripheral{}
	for _, p := range b.Peripherals {
		spu, id, ok := b.ID(p)
		if !ok {
			if p.Mapping == MapUserSelectable || p.Mapping == MapSplit {
				c.addf("%s is %v, but behind no SPU", p.Name, p.Mapping)
			}
			continue
		}
		if id >= b.IDs {
			c.addf("%s has ID %d of %d", p.Name, id, b.IDs)
		}
		if p.Base>>12 != (p.End()-1)>>12 {
			c.addf("%s reaches over the end of its page", p.Name)
		}
		if guard, ok := b.PeripheralAt(SecureAlias | spu); !ok || guard.Block != SPU || guard.Mapping != MapSecure {
			c.addf("%s is guarded by %s at 0x%x", p.Name, guard.Name, spu)
		}
		other, taken := used[word{spu, id}]
		used[word{spu, id}] = p
		if !taken {
			continue
		}
		if b.PeripheralPerm(other) != b.PeripheralPerm(p) || other.NonSecure != p.NonSecure {
			c.addf("%s and %s share a permission word and differ in it", other.Name, p.Name)
		}
		if other.Block != GPIO || p.Block != GPIO {
			c.addf("%s and %s have the same ID 0x%02x", other.Name, p.Name, id)
		}
	}
}

// blocks: that the board has the blocks that its other fields promise, and not
// those of the other family; and that TF-M keeps what keys and locks live in.
func (c *complaints) blocks(b *Board) {
	rram, cracen := b.Flash.Kind == RRAM, b.KeyHardware == CRACEN
	if b.SPUMask != 0 != rram {
		c.addf("SPUMask 0x%x with %s", b.SPUMask, b.Flash.Kind)
	}
	if (b.SICR != 0) != cracen {
		c.addf("SICR at 0x%x with %s", b.SICR, b.KeyHardware)
	}
	for _, want := range []struct {
		block   Block
		present bool
	}{
		{SPU, true}, {CtrlAP, true}, {WDT, true}, {GPIO, true}, {DPPIC, true}, {ResetPower, true},
		{NVMCAndKMU, !rram}, {RRAMC, rram}, {MPC, rram},
		{CryptoCell, !cracen}, {CRACENControl, cracen}, {CRACENCore, cracen}, {KMU, cracen}, {TAMPC, cracen},
		{QSPI, b.External != nil && b.External.XIPSize != 0},
	} {
		if got := len(b.Emulated(want.block)) > 0; got != want.present {
			c.addf("has %s: %v", want.block, got)
		}
	}
	for _, block := range []Block{SPU, MPC, RRAMC, KMU, CryptoCell, CRACENControl, CRACENCore, CtrlAP, TAMPC} {
		for _, p := range b.Emulated(block) {
			if p.NonSecure {
				c.addf("%s is given away at boot", p.Name)
			}
		}
	}
}

func (c *complaints) lines(b *Board) {
	for _, of := range []struct {
		block Block
		lines []Lines
	}{{DPPIC, b.DPPI}, {GPIO, b.GPIO}} {
		if len(of.lines) != len(b.Emulated(of.block)) {
			c.addf("%d sets of lines for %d %s", len(of.lines), len(b.Emulated(of.block)), of.block)
		}
		for _, l := range of.lines {
			if l.N < 1 || l.N > 32 {
				c.addf("%s has %d lines", l.Instance, l.N)
				continue
			}
			if l.Secure&^l.Mask() != 0 {
				c.addf("%s: secure mask 0x%x of 0x%x", l.Instance, l.Secure, l.Mask())
			}
			if p, ok := b.Peripheral(l.Instance); !ok || p.Block != of.block || p.Mapping != MapSplit {
				c.addf("lines of %s, which is %v %s", l.Instance, p.Mapping, p.Block)
			}
		}
	}
}
