package qspi

import "github.com/postern-spe/postern/platform/bus"

// Register offsets from the QSPI's base, and their fields.
const (
	RegTasksActivate   = 0x000
	RegTasksReadStart  = 0x004
	RegTasksWriteStart = 0x008
	RegTasksEraseStart = 0x00C
	RegTasksDeactivate = 0x010
	RegEventsReady     = 0x100
	RegInten           = 0x300 // READY 0
	RegIntenSet        = 0x304
	RegIntenClr        = 0x308
	RegEnable          = 0x500
	RegReadSrc         = 0x504 // in the flash
	RegReadDst         = 0x508 // in RAM
	RegReadCnt         = 0x50C // bytes
	RegWriteDst        = 0x510 // in the flash
	RegWriteSrc        = 0x514 // in RAM
	RegWriteCnt        = 0x518 // bytes
	RegErasePtr        = 0x51C
	RegEraseLen        = 0x520
	RegPSELSck         = 0x524
	RegPSELCsn         = 0x528
	RegPSELIO0         = 0x530
	RegPSELIO1         = 0x534
	RegPSELIO2         = 0x538
	RegPSELIO3         = 0x53C
	RegXIPOffset       = 0x540
	RegIFConfig0       = 0x544
	RegXIPEn           = 0x54C
	RegIFConfig1       = 0x600
	RegStatus          = 0x604 // DPM 2, READY 3, SREG [31:24]
	RegDPMDur          = 0x614
	RegAddrConf        = 0x624
	RegCInstrConf      = 0x634 // OPCODE [7:0], LENGTH [11:8], LFSTOP 17
	RegCInstrDat0      = 0x638
	RegCInstrDat1      = 0x63C
	RegIFTiming        = 0x640
)

// The values of ERASE.LEN.
const (
	Erase4KB  uint32 = 0
	Erase64KB uint32 = 1
	EraseAll  uint32 = 2
)

// StatusReady is STATUS.READY: the interface is active and has nothing to do.
const StatusReady uint32 = 1 << 3

// plain are the registers that only hold what is written to them. Those of the
// window come first: each load through it looks them up. It is never changed.
var plain = [...]struct{ off, reset, mask uint32 }{
	{RegXIPEn, 1, 1},
	{RegXIPOffset, 0, 0xFFFFFFFF},
	{RegReadSrc, 0, 0xFFFFFFFF},
	{RegReadDst, 0, 0xFFFFFFFF},
	{RegReadCnt, 0, 0x1FFFFF},
	{RegWriteDst, 0, 0xFFFFFFFF},
	{RegWriteSrc, 0, 0xFFFFFFFF},
	{RegWriteCnt, 0, 0x1FFFFF},
	{RegErasePtr, 0, 0xFFFFFFFF},
	{RegEraseLen, 0, 3},
	{RegPSELSck, 0xFFFFFFFF, 0x8000003F},
	{RegPSELCsn, 0xFFFFFFFF, 0x8000003F},
	{RegPSELIO0, 0xFFFFFFFF, 0x8000003F},
	{RegPSELIO1, 0xFFFFFFFF, 0x8000003F},
	{RegPSELIO2, 0xFFFFFFFF, 0x8000003F},
	{RegPSELIO3, 0xFFFFFFFF, 0x8000003F},
	{RegIFConfig0, 0, 0x10FF},
	{RegIFConfig1, 0x00040480, 0xF30000FF},
	{RegDPMDur, 0xFFFFFFFF, 0xFFFFFFFF},
	{RegAddrConf, 0xB7, 0x0FFFFFFF},
	{RegCInstrConf, 0x2000, 0x1FFFF},
	{RegCInstrDat0, 0, 0xFFFFFFFF},
	{RegCInstrDat1, 0, 0xFFFFFFFF},
	{RegIFTiming, 0x600, 0x700},
}

// reg returns the plain register at off, and the bits of it that can be written.
func (q *QSPI) reg(off uint32) (r *uint32, mask uint32) {
	for i := range plain {
		if plain[i].off == off {
			return &q.regs[i], plain[i].mask
		}
	}
	return nil, 0
}

// value returns the plain register at off, which exists.
func (q *QSPI) value(off uint32) uint32 {
	r, _ := q.reg(off)
	return *r
}

// ReadRegister returns the register at off, as bus.Peripheral has it. Both views
// have all registers.
func (q *QSPI) ReadRegister(off uint32, _ bus.Attribute) (uint32, bus.Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch off {
	case RegEventsReady:
		return q.event, bus.NoFault
	case RegInten, RegIntenSet, RegIntenClr:
		return q.inten, bus.NoFault
	case RegEnable:
		if q.enabled {
			return 1, bus.NoFault
		}
		return 0, bus.NoFault
	case RegStatus:
		v := uint32(q.status) << 24
		if q.active && !q.busy {
			v |= StatusReady
		}
		return v, bus.NoFault
	}
	if r, _ := q.reg(off); r != nil {
		return *r, bus.NoFault
	}
	return 0, bus.NoFault
}

// WriteRegister stores to the register at off, as bus.Peripheral has it.
func (q *QSPI) WriteRegister(off, v uint32, _ bus.Attribute) bus.Fault {
	if off <= RegTasksDeactivate {
		if v&1 != 0 {
			q.task(off)
		}
		return bus.NoFault
	}
	q.mu.Lock()
	q.raise(func() { q.write(off, v) })
	if off == RegCInstrConf {
		q.task(off)
	}
	return bus.NoFault
}

func (q *QSPI) write(off, v uint32) {
	switch off {
	case RegEventsReady:
		q.event = v & 1
	case RegInten:
		q.inten = v & 1
	case RegIntenSet:
		q.inten |= v & 1
	case RegIntenClr:
		q.inten &^= v
	case RegEnable:
		q.enabled = v&1 != 0
		q.active = q.active && q.enabled
	}
	if r, mask := q.reg(off); r != nil {
		*r = *r&^mask | v&mask
	}
}
