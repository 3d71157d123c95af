package platform

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/clock"
	"github.com/postern-spe/postern/platform/cracen"
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/ctrlap"
	"github.com/postern-spe/postern/platform/dppic"
	"github.com/postern-spe/postern/platform/gpio"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/kmu54l"
	"github.com/postern-spe/postern/platform/mpc"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/qspi"
	"github.com/postern-spe/postern/platform/resetctl"
	"github.com/postern-spe/postern/platform/rramc"
	"github.com/postern-spe/postern/platform/sau"
	"github.com/postern-spe/postern/platform/scb"
	"github.com/postern-spe/postern/platform/spu"
	"github.com/postern-spe/postern/platform/tampc"
	"github.com/postern-spe/postern/platform/trng"
	"github.com/postern-spe/postern/platform/uicr"
	"github.com/postern-spe/postern/platform/wdt"
)

// blocks are the parts of a SoC that only this package touches.
type blocks struct {
	chip       chip
	protection protection
	flash      flash
	ram        *bus.RAM
	ctrlap     *ctrlap.CtrlAP
	scb        *scb.SCB
	tampc      *tampc.TAMPC // nil but on nRF54L
	external   *qspi.QSPI   // nil where there is none
	keySlots   keySlots
	closers    []io.Closer
}

// flash is the internal flash and its controller: NVMC or RRAMC.
type flash interface {
	bus.Memory
	bus.Peripheral
	area(addr, size uint32) FlashArea
	memory() memory
	eraseAll() error
	// permits is the controller's own rule, beside the guard's.
	permits(addr uint32, n int, access bus.Access, from bus.Origin) bool
	// writable is asked by the UICR about each store over the bus.
	writable() bus.Fault
}

func (b *blocks) close() error {
	var errs []error
	for _, c := range b.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// assembly puts a SoC together, block by block: each step needs what those
// before it have made.
type assembly struct {
	*SoC
	b     *board.Board
	im    *images
	o     OpenOptions
	units map[string]bus.Peripheral // what guards, by instance
}

// assemble powers the blocks of a board over a device's memories, which are the
// SoC's from here on, also when there is an error.
func assemble(b *board.Board, desc description, im *images, supply *power.Supply, o OpenOptions) (*SoC, error) {
	a := &assembly{SoC: &SoC{
		Board: b, ID: desc.DeviceID, Created: desc.Created, debug: desc.Debug, ITS: desc.ITS, Power: supply, Clock: clock.New(), TRNG: new(trng.TRNG),
		images: im, onReset: o.OnReset, onRefusal: o.OnAccessError, durable: o.Durable,
	}, b: b, im: im, o: o}
	a.blocks.chip = chipOf(b)
	a.blocks.ram = bus.NewRAM(b.RAM.Base, int(b.RAM.Size))
	for _, step := range []func() error{a.protect, a.addFlash, a.addUICR, a.addKeys, a.addDebug, a.addExternal, a.attach} {
		if err := step(); err != nil {
			return nil, errors.Join(err, a.blocks.close(), im.close())
		}
	}
	return a.SoC, nil
}

// protect makes the units that guard the bus, and the bus.
func (a *assembly) protect() error {
	if a.blocks.chip.spu != nil {
		v := a.blocks.chip.spu()
		v.Peripherals = a.permissions(a.b.Emulated(board.SPU)[0].Base)
		var u *spu.SPU
		u = spu.New(v, a.handler("SPU", func() bus.Peripheral { return u }, spuEvents()))
		a.blocks.protection = oneSPU{u, a.b}
		a.units = map[string]bus.Peripheral{"SPU": u}
	} else {
		u := mpcAndSPUs{sau: sau.New(), spus: make(map[uint32]*spu.APB), board: a.b}
		u.mpc = mpc.New(mpc.NRF54L15(), a.handler("MPC00", func() bus.Peripheral { return u.mpc }, mpcEvents()))
		a.units = map[string]bus.Peripheral{"MPC00": u.mpc}
		var all []*spu.APB
		for _, v := range spu.NRF54L15() {
			base := v.Base &^ aliasNibble
			v.Peripherals = a.permissions(base)
			var one *spu.APB
			one = spu.NewAPB(v, a.handler(v.Name, func() bus.Peripheral { return one }, apbEvents()))
			u.spus[base], a.units[v.Name] = one, one
			all = append(all, one)
		}
		u.Guard = mpc.NewGuard(u.sau, u.mpc, all...)
		a.blocks.protection = u
	}
	a.guard = a.blocks.protection
	a.Bus = bus.New(a.guard)
	for name, unit := range a.units {
		p, _ := a.b.Peripheral(name)
		a.Bus.AttachPeripheral(p.Base, p.Size, unit)
	}
	return nil
}

// permissions returns the reset values of the permission words of one SPU.
func (a *assembly) permissions(base uint32) map[uint8]uint32 {
	words := make(map[uint8]uint32)
	for _, p := range a.b.Peripherals {
		if at, id, ok := a.b.ID(p); ok && at == base {
			words[uint8(id)] = a.b.PeripheralPerm(p)
		}
	}
	return words
}

// addFlash makes the internal flash.
func (a *assembly) addFlash() error {
	size, page := int(a.b.Flash.Size), int(a.b.Flash.Page)
	if a.b.Flash.Kind == board.RRAM {
		lines, err := cells.NewLineWear(a.im.flashWear, size)
		if err != nil {
			return err
		}
		array := cells.NewRRAM(a.im.flash, cells.Options{Page: page, Supply: a.Power, Lines: lines})
		a.blocks.closers = append(a.blocks.closers, array)
		a.blocks.flash = rramFlash{rramc.New(array, rramc.Config{
			Variant: rramc.NRF54L15(), Guard: a.guard, Clock: a.Clock, EraseAll: a.controllerErase,
		})}
		return nil
	}
	v := a.blocks.chip.nvmc()
	wear, err := cells.NewWear(a.im.flashWear, size, page)
	if err != nil {
		return err
	}
	array := cells.NewFlash(a.im.flash, v.Options(a.Power, wear))
	a.blocks.closers = append(a.blocks.closers, array)
	a.blocks.flash = norFlash{nvmc.New(array, nvmc.Config{
		Variant: v, Guard: a.guard, Clock: a.Clock, EraseAll: a.controllerErase,
		ProtectUICR: func() error { return a.uicr.ProtectNonSecure() },
	}), v}
	return nil
}

// addUICR makes the UICR over its cells.
func (a *assembly) addUICR() error {
	wear, err := cells.NewWear(a.im.uicrWear, uicr.Size, uicr.Size)
	if err != nil {
		return err
	}
	const nWrite = 2 // as the flash around it
	page := cells.NewFlash(a.im.uicr, cells.Options{Page: uicr.Size, Supply: a.Power, Wear: wear, MaxWrites: nWrite, Durable: a.o.Durable})
	a.blocks.closers = append(a.blocks.closers, page)
	a.uicr, err = uicr.New(a.blocks.chip.uicr(), page, a.blocks.flash.writable)
	return err
}

// keysSize is the size of the file of key values.
func keysSize(b *board.Board) int {
	if b.KeyHardware == board.CRACEN {
		return kmu54l.CellsSize
	}
	return kmu.ValuesSize
}

// addKeys makes the KMU and the crypto engine that it pushes to.
func (a *assembly) addKeys() error {
	if a.o.Durable {
		a.im.keys.Durable()
	}
	if a.b.KeyHardware == board.CRACEN {
		return a.addCRACEN()
	}
	engine, err := cryptocell.NewEngine(a.blocks.chip.cryptoCell())
	if err != nil {
		return err
	}
	k, err := kmu.New(a.uicr, a.im.keys, engine, nil)
	if err != nil {
		return err
	}
	cc, err := cryptocell.New(engine, k, a.uicr)
	if err != nil {
		return err
	}
	a.Keys, a.blocks.keySlots = cc, uicrSlots{k, cc}
	nvmcPage := a.b.Emulated(board.NVMCAndKMU)[0]
	a.Bus.AttachPeripheral(nvmcPage.Base, nvmcPage.Size, bus.Join(a.blocks.flash, k, kmu.HasRegister))
	for _, p := range a.b.Emulated(board.CryptoCell) {
		a.Bus.AttachPeripheral(p.Base, p.Size, engine)
	}
	return nil
}

// addCRACEN makes the nRF54L's KMU and CRACEN. The piece of secure RAM that keys
// are pushed to, for operations that are not CRACEN's own, is the last of it.
func (a *assembly) addCRACEN() error {
	const pushArea = 0x100
	engine, err := cracen.NewEngine(a.b.RAM.Base + a.b.SecureRAM - pushArea)
	if err != nil {
		return err
	}
	a.blocks.closers = append(a.blocks.closers, closer(engine.Close))
	dma := bus.Origin{Master: bus.DMA, Attr: bus.Secure}
	rram := a.blocks.flash.(rramFlash) // CRACEN comes with it
	k, err := kmu54l.New(a.im.keys, kmu54l.Config{
		Writable:     rram.WriteEnabledUnbuffered,
		EnableWrites: rram.enableWrites,
		Source: func(addr uint32, p []byte) error {
			if at, f := a.Bus.ReadBlock(addr, p, dma); f != bus.NoFault {
				return &bus.AccessError{Fault: f, Addr: at, Access: bus.Read, From: dma}
			}
			return nil
		},
		Destination: engine,
	})
	if err != nil {
		return err
	}
	a.blocks.closers = append(a.blocks.closers, closer(k.Close))
	c, err := cracen.New(engine, k, a.TRNG)
	if err != nil {
		return err
	}
	a.Keys, a.blocks.keySlots = c, sicrSlots{k, c, engine}
	for block, p := range map[board.Block]bus.Peripheral{
		board.KMU: k, board.CRACENControl: engine, board.CRACENCore: bus.Silent{},
	} {
		for _, page := range a.b.Emulated(block) {
			a.Bus.AttachPeripheral(page.Base, page.Size, p)
		}
	}
	return nil
}

// closer makes an io.Closer of a function that cannot fail.
type closer func()

func (c closer) Close() error { c(); return nil }

// addDebug makes the CTRL-AP, and what else has a say about the debug port.
func (a *assembly) addDebug() error {
	var signals ctrlap.Signals
	if pages := a.b.Emulated(board.TAMPC); len(pages) > 0 {
		a.blocks.tampc = tampc.New(tampc.Config{UICR: a.uicr, Reset: func() { a.reset(Watchdog) }})
		signals = a.blocks.tampc
		a.Bus.AttachPeripheral(pages[0].Base, pages[0].Size, a.blocks.tampc)
	}
	blank, err := a.blocks.keySlots.blank()
	if err != nil {
		return err
	}
	a.Blank = blank
	// The UICR is what an ERASEALL erases last.
	erased, err := a.uicr.Blank()
	if err != nil {
		return err
	}
	a.openedByErase = a.o.Reset == EraseAll && blank && erased
	a.CtrlAP = ctrlap.New(ctrlap.Config{
		Variant: a.blocks.chip.ctrlap(), UICR: a.uicr, Signals: signals,
		EraseAll:      a.EraseAll,
		Reset:         func(ctrlap.ResetKind) { a.reset(Debug) },
		Interrupt:     func() { a.mailbox() },
		OpenedByErase: a.openedByErase,
	})
	a.blocks.ctrlap = a.CtrlAP
	return nil
}

// attach puts memories and the remaining peripherals on the bus.
func (a *assembly) attach() error {
	b := a.b
	a.Bus.AttachMemory(b.Flash.Base, b.Flash.Size, a.blocks.flash)
	a.Bus.AttachMemory(b.RAM.Base, b.RAM.Size, a.blocks.ram)
	a.Bus.AttachPrivate(b.UICR, uicr.Size, a.uicr)
	if err := a.attachFICR(); err != nil {
		return err
	}
	a.blocks.scb = scb.New(scb.Config{CPULock: a.blocks.protection.cpuLock(), Reset: func() { a.reset(Software) }})
	a.Bus.AttachSystem(scb.Base, scb.Size, a.blocks.scb)
	if u, ok := a.blocks.protection.(mpcAndSPUs); ok {
		a.Bus.AttachSystem(sau.Base, sau.Size, u.sau)
	}
	for _, p := range b.Peripherals {
		switch p.Block {
		case board.SPU, board.MPC, board.NVMCAndKMU, board.KMU, board.CryptoCell, board.CRACENControl, board.CRACENCore, board.TAMPC:
			continue // attached where they were made
		}
		if err := a.attachPeripheral(p); err != nil {
			return err
		}
	}
	return nil
}

func (a *assembly) attachPeripheral(p board.Peripheral) error {
	chip, guard, name := a.blocks.chip, a.blocks.protection, p.Instances()[0]
	var block bus.Peripheral = bus.Silent{}
	switch p.Block {
	case board.CtrlAP:
		block = a.CtrlAP
	case board.RRAMC:
		block = a.blocks.flash
	case board.QSPI:
		block = a.blocks.external
	case board.GPIO:
		v, err := named(chip.gpio(), name, func(v gpio.Variant) string { return v.Name })
		if err != nil {
			return err
		}
		block = gpio.New(v, guard.securePins(name))
	case board.DPPIC:
		v, err := named(chip.dppic(), name, func(v dppic.Variant) string { return v.Name })
		if err != nil {
			return err
		}
		d := dppic.New(v, dppic.Attribution{Channels: guard.secureChannels(name), Groups: guard.secureGroups(name)})
		if u, ok := guard.(oneSPU); ok {
			u.Publish(func(channel uint8) { d.Publish(channel, bus.Secure) })
		}
		block = d
	case board.WDT:
		block = wdt.New(wdt.Config{Variant: chip.wdt(), Clock: a.Clock, Reset: func() { a.reset(Watchdog) }})
	case board.ResetPower:
		block = resetctl.New(chip.reset(), 0, a.o.Reset.register())
	}
	a.Bus.AttachPeripheral(p.Base, p.Size, block)
	return nil
}

// named returns the variant of an instance.
func named[V any](variants []V, instance string, name func(V) string) (v V, err error) {
	for _, v := range variants {
		if name(v) == instance {
			return v, nil
		}
	}
	return v, fmt.Errorf("platform: no variant of %s", instance)
}

// addExternal makes the external flash. Where the board has it on an SPI of which
// nothing is emulated, only the secure driver reaches it.
func (a *assembly) addExternal() error {
	if a.b.External == nil {
		return nil
	}
	v := a.blocks.chip.external()
	wear, err := cells.NewWear(a.im.externalWear, int(a.b.External.Size), int(a.b.External.Page))
	if err != nil {
		return err
	}
	array := cells.NewFlash(a.im.external, v.Options(a.Power, wear))
	a.blocks.closers = append(a.blocks.closers, array)
	a.blocks.external = qspi.New(array, qspi.Config{Variant: v, Clock: a.Clock, DMA: qspiDMA{a.SoC}})
	if x := a.b.External; x.XIPSize > 0 {
		a.Bus.AttachMemory(x.XIPBase, x.XIPSize, xip{a.blocks.external, a.SoC})
	}
	return nil
}

// qspiDMA is the EasyDMA of the QSPI: what the SPU says the peripheral's accesses
// are, and not those who programmed them.
type qspiDMA struct{ *SoC }

func (d qspiDMA) origin() bus.Origin {
	p := d.Board.Emulated(board.QSPI)[0]
	return bus.Origin{Master: bus.DMA, Attr: d.blocks.protection.dma(p)}
}

func (d qspiDMA) ReadBlock(addr uint32, p []byte) {
	if !d.reaches(addr, len(p)) {
		clear(p)
		return
	}
	d.Bus.ReadBlock(addr, p, d.origin())
}

func (d qspiDMA) WriteBlock(addr uint32, p []byte) {
	if d.reaches(addr, len(p)) {
		d.Bus.WriteBlock(addr, p, d.origin())
	}
}

// reaches: EasyDMA has a way to the RAM alone.
func (d qspiDMA) reaches(addr uint32, n int) bool {
	off := uint64(addr) - uint64(d.Board.RAM.Base)
	return addr >= d.Board.RAM.Base && off+uint64(n) <= uint64(d.Board.RAM.Size)
}

// attachFICR puts the factory information on the bus, which the world that the
// board says may read.
func (a *assembly) attachFICR() error {
	id, err := hex.DecodeString(a.ID)
	if err != nil {
		return err
	}
	f := newFICR(a.b.FICR, id)
	if a.b.FICR.Attr == bus.NonSecure {
		a.Bus.AttachMemory(a.b.FICR.Base, board.InfoSize, f)
	} else {
		a.Bus.AttachPrivate(a.b.FICR.Base, board.InfoSize, f)
	}
	return nil
}
