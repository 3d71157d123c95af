package bus

import "sync"

// RAM is the SoC's RAM. It reads 0 after power-on, and takes memory of the host
// from its first use on.
type RAM struct {
	base uint32
	size int

	mu    sync.Mutex
	cells []byte
}

// NewRAM returns size bytes of RAM at base.
func NewRAM(base uint32, size int) *RAM { return &RAM{base: base, size: size} }

// Load is a load or fetch: see Memory.
func (r *RAM) Load(addr uint32, p []byte, _ Access, _ Origin) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	copy(p, r.use()[addr-r.base:])
	return NoFault
}

// Store is a store: see Memory.
func (r *RAM) Store(addr uint32, width int, v uint32, _ Origin) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	put(r.use()[addr-r.base:], width, v)
	return NoFault
}

// Clear makes all of it 0.
func (r *RAM) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cells)
}

func (r *RAM) use() []byte {
	if r.cells == nil {
		r.cells = make([]byte, r.size)
	}
	return r.cells
}
