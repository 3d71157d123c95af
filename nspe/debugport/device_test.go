package debugport

import (
	"encoding/binary"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/postern-spe/postern/ipc/buslink"
)

// device is what a debugger sees of a chip: the CTRL-AP, and memory of 64 KiB at
// 0 behind AP-Protect. The SoC itself is not for this side of the wall, so this
// stands in for it, with the same registers. A reset ends its connections, and
// it is back some time later.
type device struct {
	t     *testing.T
	board Board
	path  string
	wg    sync.WaitGroup // resets under way

	mu             sync.Mutex
	server         *buslink.Server
	regs           map[Register]uint32
	mem            [64 << 10]byte
	protected      bool   // by the UICR
	key            uint32 // the firmware's side of DISABLE
	eraseProtected bool
	erasing        int       // how often ERASEALLSTATUS still reads busy
	erased         bool      // and how it reads then
	failing        bool      // ERASEALL does not come to its end
	resetsItself   bool      // ERASEALL ends in a reset
	resets         int       // how many there have been
	stuck          chan bool // RESET is not answered until it is closed
	dead           bool      // a reset is its end
	returnsAs      string    // the board that comes back
}

// newDevice starts a device that is as prepare leaves it.
func newDevice(t *testing.T, board string, prepare ...func(*device)) *device {
	t.Helper()
	b := boardOf(board)
	if b == nil {
		b = &Board{Name: board}
	}
	d := &device{t: t, board: *b, path: filepath.Join(t.TempDir(), "debug.sock"), regs: make(map[Register]uint32)}
	for _, p := range prepare {
		p(d)
	}
	d.start()
	t.Cleanup(func() {
		d.wg.Wait()
		d.server.Close()
	})
	return d
}

func (d *device) start() {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.path, Net: "unix"})
	if err != nil {
		d.t.Error(err)
		return
	}
	d.server = buslink.NewServer(d, nil)
	go d.server.Serve(l)
}

// reset restarts the device. It is called with the lock held.
func (d *device) reset() {
	d.resets++
	d.regs = make(map[Register]uint32)
	old := d.server
	if d.erased {
		d.protected, d.erased = false, false
	}
	d.wg.Go(func() {
		old.Close()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.returnsAs != "" {
			d.board.Name = d.returnsAs
		}
		if !d.dead {
			d.start()
		}
	})
}

func (d *device) resetCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.resets
}

func (d *device) Board() string { return d.board.Name }

func (d *device) open() bool {
	key := d.regs[APProtectDisable]
	return !d.protected && (d.key == 0 || key == d.key)
}

// register returns the register at an offset of the CTRL-AP.
func (d *device) register(off uint32) (Register, bool) {
	for r, at := range d.board.Registers {
		if at == off {
			return r, true
		}
	}
	return 0, false
}

func (d *device) check(ap uint8, addr uint32, n int) buslink.Outcome {
	switch {
	case ap != d.board.MemoryAP:
		return buslink.BusFault
	case !d.open():
		return buslink.Protected
	case int64(addr)+int64(n) > int64(len(d.mem)):
		return buslink.BusFault
	}
	return buslink.OK
}

func (d *device) Load(ap uint8, addr uint32, width int) (uint32, buslink.Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ap == d.board.CtrlAP && width == wordWidth {
		r, _ := d.register(addr)
		return d.read(r), buslink.OK
	}
	if o := d.check(ap, addr, width); o != buslink.OK {
		return 0, o
	}
	var p [4]byte
	copy(p[:width], d.mem[addr:])
	return binary.LittleEndian.Uint32(p[:]), buslink.OK
}

func (d *device) read(r Register) uint32 {
	bit := func(protects bool) uint32 {
		if protects == d.board.OnesProtect {
			return 1
		}
		return 0
	}
	switch r {
	case EraseAllStatus:
		return d.eraseStatus()
	case APProtectStatus:
		return bit(d.protected) | bit(d.protected)<<1
	case EraseProtectStatus:
		return bit(d.eraseProtected)
	case IDR:
		return 0x12880000
	}
	return d.regs[r]
}

func (d *device) eraseStatus() uint32 {
	state := EraseReady
	switch {
	case d.erasing > 0:
		d.erasing--
		state = EraseBusy
	case d.erased && d.failing:
		state = EraseFailed
	case d.erased:
		state = EraseDone
	}
	for v, s := range d.board.EraseStates {
		if s == state {
			return v
		}
	}
	return 0
}

func (d *device) Store(ap uint8, addr uint32, width int, v uint32) buslink.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ap == d.board.CtrlAP && width == wordWidth {
		if r, ok := d.register(addr); ok {
			d.write(r, v)
		}
		return buslink.OK
	}
	if o := d.check(ap, addr, width); o != buslink.OK {
		return o
	}
	copy(d.mem[addr:], binary.LittleEndian.AppendUint32(nil, v)[:width])
	return buslink.OK
}

func (d *device) write(r Register, v uint32) {
	d.regs[r] = v
	switch {
	case r == Reset && v == 1 && d.stuck != nil:
		stuck := d.stuck
		d.mu.Unlock()
		<-stuck
		d.mu.Lock()
	case r == Reset && v == 1:
		d.reset()
	case r == EraseAll && v == 1 && !d.eraseProtected:
		d.erasing, d.erased = 2, true
		clear(d.mem[:])
		if d.resetsItself {
			d.reset()
		}
	}
}

func (d *device) Fetch(uint8, uint32, int) (uint32, buslink.Outcome) { return 0, buslink.BusFault }

func (d *device) ReadBlock(ap uint8, addr uint32, p []byte) (uint32, buslink.Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.check(ap, addr, len(p)); o != buslink.OK {
		return max(addr, uint32(len(d.mem))), o
	}
	copy(p, d.mem[addr:])
	return 0, buslink.OK
}
