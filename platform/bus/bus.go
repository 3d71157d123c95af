package bus

// sg is the SG instruction: the only one through which a non-secure fetch
// enters secure memory, and only in its non-secure callable part.
const sg uint32 = 0xE97FE97F

// Bus is the bus with its slaves. The Attach methods put it together; then it is
// safe for concurrent use.
type Bus struct {
	guard       Guard
	memories    []memory
	peripherals map[uint32][]peripheral // by page
}

type memory struct {
	base, size uint32
	slave      Memory
	private    bool
}

type peripheral struct {
	base, size uint32
	slave      Peripheral
}

// New returns a bus without slaves, whose accesses g decides.
func New(g Guard) *Bus {
	return &Bus{guard: g, peripherals: make(map[uint32][]peripheral)}
}

// AttachMemory puts a memory at size bytes from base on.
func (b *Bus) AttachMemory(base, size uint32, m Memory) {
	b.memories = append(b.memories, memory{base, size, m, false})
}

// AttachPrivate puts a memory on the bus that no region of the guard covers: it
// is the secure world's, and holds no code. The UICR is one.
func (b *Bus) AttachPrivate(base, size uint32, m Memory) {
	b.memories = append(b.memories, memory{base, size, m, true})
}

// AttachPeripheral puts a peripheral at both aliases of base.
func (b *Bus) AttachPeripheral(base, size uint32, p Peripheral) {
	base &^= aliasMask
	for page := base &^ (pageSize - 1); page < base+size; page += pageSize {
		b.peripherals[page] = append(b.peripherals[page], peripheral{base, size, p})
	}
}

// Load reads width bytes (1, 2 or 4) at addr, little-endian. A refused load
// reads 0.
func (b *Bus) Load(addr uint32, width int, from Origin) (uint32, Fault) {
	if !aligned(addr, width) {
		return 0, ending(BusFault, from)
	}
	var v uint32
	var f Fault
	if isPeripheral(addr) {
		v, f = b.loadRegister(addr, width, from)
	} else {
		v, f = b.read(addr, width, Read, from)
	}
	return v, ending(f, from)
}

// Fetch reads an instruction of width bytes (2 or 4) at addr. In the non-secure
// callable part of a secure region a non-secure fetch passes where it finds an
// SG instruction. Only memory holds instructions.
func (b *Bus) Fetch(addr uint32, width int, from Origin) (uint32, Fault) {
	if !aligned(addr, width) || width == 1 || isPeripheral(addr) {
		return 0, ending(BusFault, from)
	}
	if from == NonSecureCPU && width == 4 && b.guard.Callable(addr) {
		if v, f := b.read(addr, width, Execute, SecureCPU); f == NoFault && v == sg {
			return v, NoFault
		}
	}
	v, f := b.read(addr, width, Execute, from)
	return v, ending(f, from)
}

// Store writes the low width bytes (1, 2 or 4) of v at addr.
func (b *Bus) Store(addr uint32, width int, v uint32, from Origin) Fault {
	if !aligned(addr, width) {
		return ending(BusFault, from)
	}
	if isPeripheral(addr) {
		return ending(b.storeRegister(addr, width, v, from), from)
	}
	m, f := b.memory(addr, 1, Write, from)
	if f == NoFault {
		f = m.Store(addr, width, v, from)
	}
	return ending(f, from)
}

// ReadBlock fills p from addr on: all of it, or, on a fault, nothing but zeros,
// and at is the first address refused. Only memory can be read in blocks. An
// empty p reads nothing.
func (b *Bus) ReadBlock(addr uint32, p []byte, from Origin) (at uint32, f Fault) {
	if len(p) == 0 {
		return 0, NoFault
	}
	at, f = b.readBlock(addr, p, from)
	if f != NoFault {
		clear(p)
	}
	return at, ending(f, from)
}

func (b *Bus) readBlock(addr uint32, p []byte, from Origin) (uint32, Fault) {
	m := b.decode(addr)
	if m == nil {
		return addr, BusFault
	}
	n := uint32(len(p))
	if room := m.size - (addr - m.base); n > room {
		// Past the end of the memory. What is refused before it comes first.
		if at, f := b.allowed(m, addr, room, Read, from); f != NoFault {
			return at, f
		}
		return addr + room, BusFault
	}
	if at, f := b.allowed(m, addr, n, Read, from); f != NoFault {
		return at, f
	}
	return addr, m.slave.Load(addr, p, Read, from)
}

// WriteBlock stores the words of p from addr on, both multiples of 4, as a DMA
// does: word by word, until one is refused. at is its address.
func (b *Bus) WriteBlock(addr uint32, p []byte, from Origin) (at uint32, f Fault) {
	for i := 0; i+4 <= len(p); i += 4 {
		at = addr + uint32(i)
		if f = b.Store(at, 4, get(p[i:], 4), from); f != NoFault {
			return at, f
		}
	}
	return 0, NoFault
}

// read is a load or fetch from memory.
func (b *Bus) read(addr uint32, width int, access Access, from Origin) (uint32, Fault) {
	m, f := b.memory(addr, uint32(width), access, from)
	if f != NoFault {
		return 0, f
	}
	var p [4]byte
	if f := m.Load(addr, p[:width], access, from); f != NoFault {
		return 0, f
	}
	return get(p[:], width), NoFault
}

// memory decides an access to n aligned bytes and finds what is there.
func (b *Bus) memory(addr, n uint32, access Access, from Origin) (Memory, Fault) {
	m := b.decode(addr)
	if m == nil {
		return nil, BusFault
	}
	if _, f := b.allowed(m, addr, n, access, from); f != NoFault {
		return nil, f
	}
	return m.slave, NoFault
}

func (b *Bus) decode(addr uint32) *memory {
	for i := range b.memories {
		if m := &b.memories[i]; addr-m.base < m.size {
			return m
		}
	}
	return nil
}

// allowed decides an access to n bytes of one memory.
func (b *Bus) allowed(m *memory, addr, n uint32, access Access, from Origin) (at uint32, f Fault) {
	switch {
	case !m.private && addr&3+n <= 4: // inside one word, and so one region
		return addr, b.guard.Check(addr, access, from)
	case !m.private:
		if err := b.guard.CheckRange(addr, n, access, from); err != nil {
			refused := err.(*AccessError) // CheckRange has no other
			return refused.Addr, refused.Fault
		}
	case from.Attr == NonSecure:
		b.guard.Refuse(addr, access, from)
		return addr, SecureFault
	case access == Execute:
		return addr, BusFault
	}
	return addr, NoFault
}

// ending is what a CPU's fault is for the master that made the access.
func ending(f Fault, from Origin) Fault {
	switch {
	case f == NoFault || from.Master == CPU:
		return f
	case from.Master == DMA:
		return Blocked
	}
	return BusFault
}

func aligned(addr uint32, width int) bool {
	return (width == 1 || width == 2 || width == 4) && addr%uint32(width) == 0
}

func get(p []byte, width int) (v uint32) {
	for i := range width {
		v |= uint32(p[i]) << (8 * i)
	}
	return v
}

func put(p []byte, width int, v uint32) {
	for i := range width {
		p[i] = byte(v >> (8 * i))
	}
}
