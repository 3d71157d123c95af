package bus

import (
	"bytes"
	"testing"
)

// zones is a guard whose rules are a table: who may do what from an address on.
type zones struct {
	t       *testing.T
	secure  func(addr uint32) bool
	rights  func(addr uint32) Access
	refused []Origin
}

func (z *zones) Check(addr uint32, access Access, from Origin) Fault {
	switch {
	case from.Attr == NonSecure && z.secure(addr):
		z.refused = append(z.refused, from)
		return SecureFault
	case z.rights(addr)&access == 0:
		z.refused = append(z.refused, from)
		return BusFault
	}
	return NoFault
}

func (z *zones) CheckRange(addr, n uint32, access Access, from Origin) error {
	for a := addr; a != addr+n; a++ {
		if f := z.Check(a, access, from); f != NoFault {
			return &AccessError{f, a, access, from}
		}
	}
	return nil
}

func (z *zones) CheckPeripheral(addr uint32, _ Access, from Origin) Fault {
	if addr&aliasMask == secureAlias && from.Attr == NonSecure {
		return SecureFault
	}
	return NoFault
}

func (z *zones) Secure(addr uint32) bool               { return z.secure(addr) }
func (z *zones) Callable(addr uint32) bool             { return addr >= 0x1C0 && addr < 0x200 }
func (z *zones) Refuse(_ uint32, _ Access, who Origin) { z.refused = append(z.refused, who) }

// cellsAt is a memory that takes words only.
type cellsAt struct {
	base uint32
	b    []byte
}

func (c *cellsAt) Load(addr uint32, p []byte, _ Access, _ Origin) Fault {
	copy(p, c.b[addr-c.base:])
	return NoFault
}

func (c *cellsAt) Store(addr uint32, width int, v uint32, _ Origin) Fault {
	if width != 4 {
		return BusFault
	}
	put(c.b[addr-c.base:], width, v)
	return NoFault
}

// twoViews is a peripheral whose registers read their offset, and its view above.
type twoViews struct{ wrote map[uint32]uint32 }

func (p twoViews) ReadRegister(off uint32, view Attribute) (uint32, Fault) {
	return off | uint32(view)<<16, NoFault
}

func (p twoViews) WriteRegister(off, v uint32, view Attribute) Fault {
	p.wrote[off|uint32(view)<<16] = v
	return NoFault
}

// newBus has flash at 0..0x3FF, secure below 0x200 and in it a veneer with SG at
// 0x1C0; RAM at 0x20000000; a private page at 0x8000; peripherals.
func newBus(t *testing.T) (*Bus, *zones) {
	z := &zones{
		t:      t,
		secure: func(a uint32) bool { return a < 0x200 },
		rights: func(a uint32) Access {
			if a >= 0x300 && a < 0x400 {
				return Read
			}
			return Read | Write | Execute
		},
	}
	b := New(z)
	flash := &cellsAt{0, bytes.Repeat([]byte{1, 2, 3, 4}, 0x100)}
	put(flash.b[0x1C0:], 4, sg)
	b.AttachMemory(0, 0x400, flash)
	b.AttachMemory(0x20000000, 0x100, NewRAM(0x20000000, 0x100))
	b.AttachPrivate(0x8000, 0x10, &cellsAt{0x8000, make([]byte, 0x10)})
	b.AttachPeripheral(0x40001000, 0x1000, twoViews{map[uint32]uint32{}})
	b.AttachPeripheral(0x00002500, 0x100, Silent{})
	b.AttachSystem(0xE000ED00, 0x100, twoViews{map[uint32]uint32{}})
	return b, z
}

func TestReads(t *testing.T) {
	secureDMA, plainDMA := Origin{DMA, Secure}, Origin{DMA, NonSecure}
	probe := Origin{Debugger, NonSecure}
	for _, tt := range []struct {
		name  string
		fetch bool
		addr  uint32
		width int
		from  Origin
		want  uint32
		fault Fault
	}{
		{"secure word", false, 0x10, 4, SecureCPU, 0x04030201, NoFault},
		{"secure word, non-secure", false, 0x10, 4, NonSecureCPU, 0, SecureFault},
		{"the same by a DMA", false, 0x10, 4, plainDMA, 0, Blocked},
		{"the same by a secure DMA", false, 0x10, 4, secureDMA, 0x04030201, NoFault},
		{"the same by a debugger", false, 0x10, 4, probe, 0, BusFault},
		{"the same by another domain", false, 0x10, 4, Origin{External, NonSecure}, 0, BusFault},
		{"half", false, 0x202, 2, NonSecureCPU, 0x0403, NoFault},
		{"byte", false, 0x201, 1, NonSecureCPU, 2, NoFault},
		{"unaligned", false, 0x202, 4, NonSecureCPU, 0, BusFault},
		{"unaligned by a DMA", false, 0x202, 4, plainDMA, 0, Blocked},
		{"odd width", false, 0x200, 3, NonSecureCPU, 0, BusFault},
		{"nothing there", false, 0x400, 4, SecureCPU, 0, BusFault},
		{"fetch", true, 0x200, 4, NonSecureCPU, 0x04030201, NoFault},
		{"short fetch", true, 0x202, 2, NonSecureCPU, 0x0403, NoFault},
		{"fetch of a byte", true, 0x200, 1, NonSecureCPU, 0, BusFault},
		{"fetch without the right", true, 0x300, 4, NonSecureCPU, 0, BusFault},
		{"fetch of SG", true, 0x1C0, 4, NonSecureCPU, sg, NoFault},
		{"fetch beside SG", true, 0x1C4, 4, NonSecureCPU, 0, SecureFault},
		{"short fetch of SG", true, 0x1C0, 2, NonSecureCPU, 0, SecureFault},
		{"load of SG", false, 0x1C0, 4, NonSecureCPU, 0, SecureFault},
		{"fetch of SG by a debugger", true, 0x1C0, 4, probe, 0, BusFault},
		{"private page", false, 0x8000, 4, SecureCPU, 0, NoFault},
		{"private page, non-secure", false, 0x8000, 4, NonSecureCPU, 0, SecureFault},
		{"private page, fetch", true, 0x8000, 4, SecureCPU, 0, BusFault},
		{"register, non-secure view", false, 0x40001008, 4, NonSecureCPU, 8, NoFault},
		{"register, secure view", false, 0x50001008, 4, SecureCPU, 0x10008, NoFault},
		{"register, secure software by the other alias", false, 0x40001008, 4, SecureCPU, 8, NoFault},
		{"register, secure alias, non-secure", false, 0x50001008, 4, NonSecureCPU, 0, SecureFault},
		{"register by byte", false, 0x40001008, 1, NonSecureCPU, 0, BusFault},
		{"register, fetch", true, 0x40001008, 4, NonSecureCPU, 0, BusFault},
		{"two blocks in a page", false, 0x40002504, 4, NonSecureCPU, 0, NoFault},
		{"beside the block", false, 0x40002600, 4, NonSecureCPU, 0, BusFault},
		{"no block", false, 0x40003000, 4, NonSecureCPU, 0, BusFault},
		{"core register", false, 0xE000ED0C, 4, SecureCPU, 0x1000C, NoFault},
		{"core register, non-secure", false, 0xE000ED0C, 4, NonSecureCPU, 0x0000C, NoFault},
		{"core register, the other view", false, 0xE002ED0C, 4, SecureCPU, 0x0000C, NoFault},
		{"core register, the other view, non-secure", false, 0xE002ED0C, 4, NonSecureCPU, 0, BusFault},
		{"core register by a DMA", false, 0xE000ED0C, 4, secureDMA, 0, Blocked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := newBus(t)
			read := b.Load
			if tt.fetch {
				read = b.Fetch
			}
			if v, f := read(tt.addr, tt.width, tt.from); v != tt.want || f != tt.fault {
				t.Errorf("0x%x, %v; want 0x%x, %v", v, f, tt.want, tt.fault)
			}
		})
	}
}

func TestPrivatePagesTellTheGuard(t *testing.T) {
	b, z := newBus(t)
	b.Load(0x8000, 4, NonSecureCPU)
	if len(z.refused) != 1 || z.refused[0] != NonSecureCPU {
		t.Errorf("refused: %v", z.refused)
	}
}

func TestBlocks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		addr  uint32
		n     int
		from  Origin
		want  []byte
		at    uint32
		fault Fault
	}{
		{"odd address", 0x201, 3, NonSecureCPU, []byte{2, 3, 4}, 0, NoFault},
		{"out of the secure part", 0x1F8, 16, NonSecureCPU, nil, 0x1F8, SecureFault},
		{"few bytes, into the secure part", 0x2FF, 2, Origin{CPU, NonSecure}, []byte{4, 1}, 0, NoFault},
		{"few bytes, out of it", 0x1FF, 2, NonSecureCPU, nil, 0x1FF, SecureFault},
		{"past the end", 0x3FE, 4, NonSecureCPU, nil, 0x400, BusFault},
		{"past the end, refused before", 0x1FE, 0x300, NonSecureCPU, nil, 0x1FE, SecureFault},
		{"past the address space", 0xFFFFFFFE, 8, NonSecureCPU, nil, 0xFFFFFFFE, BusFault},
		{"registers", 0x40001000, 4, NonSecureCPU, nil, 0x40001000, BusFault},
		{"by a DMA", 0x1F8, 16, Origin{DMA, NonSecure}, nil, 0x1F8, Blocked},
		{"nothing", 0x10, 0, NonSecureCPU, nil, 0, NoFault},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := newBus(t)
			p := bytes.Repeat([]byte{0xAA}, tt.n)
			at, f := b.ReadBlock(tt.addr, p, tt.from)
			if f != tt.fault || f != NoFault && at != tt.at {
				t.Fatalf("%v at 0x%x, want %v at 0x%x", f, at, tt.fault, tt.at)
			}
			want := tt.want
			if want == nil {
				want = make([]byte, tt.n) // a refused read gives no bytes
			}
			if !bytes.Equal(p, want) {
				t.Errorf("%x, want %x", p, want)
			}
		})
	}
	b, _ := newBus(t)
	if at, f := b.WriteBlock(0x2FC, []byte{9, 9, 9, 9, 8, 8, 8, 8}, Origin{DMA, NonSecure}); f != Blocked || at != 0x300 {
		t.Errorf("a DMA write into read-only memory: %v at 0x%x", f, at)
	}
	if v, _ := b.Load(0x2FC, 4, SecureCPU); v != 0x09090909 {
		t.Errorf("the word before it: 0x%x", v)
	}
}

func TestStores(t *testing.T) {
	for _, tt := range []struct {
		name  string
		addr  uint32
		width int
		from  Origin
		fault Fault
	}{
		{"word", 0x200, 4, NonSecureCPU, NoFault},
		{"what the memory does not take", 0x200, 2, NonSecureCPU, BusFault},
		{"secure", 0x100, 4, NonSecureCPU, SecureFault},
		{"read-only", 0x300, 4, SecureCPU, BusFault},
		{"RAM byte", 0x20000001, 1, NonSecureCPU, NoFault},
		{"unaligned", 0x20000001, 2, NonSecureCPU, BusFault},
		{"private page", 0x8000, 4, NonSecureCPU, SecureFault},
		{"register", 0x40001004, 4, NonSecureCPU, NoFault},
		{"register by half", 0x40001004, 2, NonSecureCPU, BusFault},
		{"secure register", 0x50001004, 4, NonSecureCPU, SecureFault},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := newBus(t)
			before, _ := b.Load(tt.addr&^3, 4, SecureCPU)
			if f := b.Store(tt.addr, tt.width, 0x55AA55AA, tt.from); f != tt.fault {
				t.Errorf("%v, want %v", f, tt.fault)
			}
			if after, _ := b.Load(tt.addr&^3, 4, SecureCPU); tt.fault != NoFault && after != before {
				t.Errorf("a refused store made 0x%x of 0x%x", after, before)
			}
		})
	}
}
