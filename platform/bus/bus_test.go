package bus

import (
	"bytes"
	"testing"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/spu"
	"github.com/postern-spe/postern/platform/uicr"
)

type rig struct {
	*Bus
	board *board.Board
	flash *nvmc.Array
	kmu   *kmu.KMU
}

// newRig is an nrf5340 in memory whose non-secure storage and image, and the
// upper RAM, are open to the non-secure world, with 1, 2, 3 ... in the first
// words of ITS and of the non-secure storage.
func newRig(t *testing.T) *rig {
	t.Helper()
	b, _ := board.Lookup("nrf5340")
	s := spu.New(b.Memory)
	flash := nvmc.NewArray(int(b.Memory.FlashSize), b.PageSize)
	u, err := uicr.New(nvmc.NewArray(uicr.Size, uicr.Size))
	if err != nil {
		t.Fatal(err)
	}
	k, err := kmu.New(u, cryptocell.NewEngine())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range b.Areas {
		if a.Rights != 0 {
			if err := s.SetFlash(a.Base, a.Size, a.Attr == spu.Secure, a.Rights, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.SetRAM(0x20020000, 0x60000, false, spu.Read|spu.Write|spu.Execute, true); err != nil {
		t.Fatal(err)
	}
	if err := s.SetCallable(0x50000, b.Callable); err != nil {
		t.Fatal(err)
	}
	for _, base := range []int{0xF4000, 0xF8000} {
		if err := flash.Program(base, []byte{1, 2, 3, 4, 5, 6, 7, 8}); err != nil {
			t.Fatal(err)
		}
	}
	return &rig{New(b, s, nvmc.New(flash, b.Memory.FlashBase, s), u, k), b, flash, k}
}

func TestReads(t *testing.T) {
	r := newRig(t)
	if err := r.flash.Program(0x4FC00, []byte{0x7F, 0xE9, 0x7F, 0xE9}); err != nil {
		t.Fatal(err)
	}
	const (
		load = iota
		fetch
	)
	tests := []struct {
		name  string
		kind  int
		addr  uint32
		width int
		attr  spu.Attribute
		want  uint32
		fault spu.Fault
	}{
		{"secure storage, secure", load, 0xF4000, 4, spu.Secure, 0x04030201, spu.NoFault},
		{"secure storage, non-secure", load, 0xF4000, 4, spu.NonSecure, 0, spu.SecureFault},
		{"last secure byte, non-secure", load, 0xF7FFF, 1, spu.NonSecure, 0, spu.SecureFault},
		{"non-secure storage", load, 0xF8004, 4, spu.NonSecure, 0x08070605, spu.NoFault},
		{"non-secure storage, half", load, 0xF8002, 2, spu.NonSecure, 0x0403, spu.NoFault},
		{"non-secure storage, byte", load, 0xF8001, 1, spu.NonSecure, 2, spu.NoFault},
		{"non-secure storage, secure", load, 0xF8000, 4, spu.Secure, 0x04030201, spu.NoFault},
		{"unaligned", load, 0xF8002, 4, spu.NonSecure, 0, spu.BusFault},
		{"odd width", load, 0xF8000, 3, spu.NonSecure, 0, spu.BusFault},
		{"past the flash", load, 0x100000, 4, spu.NonSecure, 0, spu.BusFault},
		{"fetch from non-secure image", fetch, 0x50000, 4, spu.NonSecure, 0xFFFFFFFF, spu.NoFault},
		{"fetch from storage", fetch, 0xF8000, 4, spu.NonSecure, 0, spu.BusFault},
		{"fetch from secure image", fetch, 0x10000, 4, spu.NonSecure, 0, spu.SecureFault},
		{"fetch of SG from the veneers", fetch, 0x4FC00, 4, spu.NonSecure, 0xE97FE97F, spu.NoFault},
		{"fetch past SG in the veneers", fetch, 0x4FC04, 4, spu.NonSecure, 0, spu.SecureFault},
		{"load from the veneers", load, 0x4FC00, 4, spu.NonSecure, 0, spu.SecureFault},
		{"fetch of a register", fetch, 0x40039400, 4, spu.NonSecure, 0, spu.BusFault},
		{"secure RAM", load, 0x20000000, 4, spu.NonSecure, 0, spu.SecureFault},
		{"non-secure RAM", load, 0x20020000, 4, spu.NonSecure, 0, spu.NoFault},
		{"UICR, non-secure", load, 0x00FF8000, 4, spu.NonSecure, 0, spu.SecureFault},
		{"UICR, secure", load, 0x00FF8100, 4, spu.Secure, 0xFFFFFFFF, spu.NoFault},
		{"UICR, fetch", fetch, 0x00FF8100, 4, spu.Secure, 0, spu.BusFault},
		{"key slot, secure, none selected", load, 0x00FF8800, 4, spu.Secure, kmu.Denied, spu.NoFault},
		{"key slot, non-secure", load, 0x00FF8800, 4, spu.NonSecure, 0, spu.SecureFault},
		{"SPU, secure", load, 0x50003400, 4, spu.Secure, 1, spu.NoFault},
		{"SPU, non-secure", load, 0x50003400, 4, spu.NonSecure, 0, spu.SecureFault},
		{"SPU at the non-secure alias", load, 0x40003400, 4, spu.NonSecure, 0, spu.SecureFault},
		{"NVMC READY, non-secure view", load, 0x40039400, 4, spu.NonSecure, 1, spu.NoFault},
		{"NVMC, secure alias from non-secure", load, 0x50039400, 4, spu.NonSecure, 0, spu.SecureFault},
		{"NVMC CONFIG, non-secure view", load, 0x40039504, 4, spu.NonSecure, 0, spu.NoFault},
		{"KMU, non-secure view", load, 0x40039500, 4, spu.NonSecure, 0, spu.SecureFault},
		{"KMU, secure", load, 0x50039500, 4, spu.Secure, 0, spu.NoFault},
		{"KMU, secure through the non-secure alias", load, 0x40039500, 4, spu.Secure, 0, spu.SecureFault},
		{"AES key register, secure", load, 0x50845400, 4, spu.Secure, 0, spu.NoFault},
		{"AES key register, non-secure", load, 0x40845400, 4, spu.NonSecure, 0, spu.SecureFault},
		{"no such peripheral", load, 0x40070000, 4, spu.NonSecure, 0, spu.BusFault},
		{"no such peripheral, secure alias", load, 0x50070000, 4, spu.NonSecure, 0, spu.SecureFault},
		{"register by byte", load, 0x40039400, 1, spu.NonSecure, 0, spu.BusFault},
		{"nothing there", load, 0xE0000000, 4, spu.NonSecure, 0, spu.BusFault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			read := r.Load
			if tt.kind == fetch {
				read = r.Fetch
			}
			got, fault := read(tt.addr, tt.width, tt.attr)
			if got != tt.want || fault != tt.fault {
				t.Errorf("0x%x, %v; want 0x%x, %v", got, fault, tt.want, tt.fault)
			}
		})
	}
}

func TestReadBlock(t *testing.T) {
	r := newRig(t)
	if f := r.Store(0x20020004, 4, 0xCAFEF00D, spu.NonSecure); f != spu.NoFault {
		t.Fatal(f)
	}
	tests := []struct {
		name  string
		addr  uint32
		n     int
		attr  spu.Attribute
		want  []byte // zeros after it
		at    uint32
		fault spu.Fault
	}{
		{"odd address", 0xF8001, 3, spu.NonSecure, []byte{2, 3, 4}, 0, spu.NoFault},
		{"across pages", 0xF8000, 0x8000, spu.NonSecure, nil, 0, spu.NoFault},
		{"secure", 0xF4000, 8, spu.NonSecure, nil, 0xF4000, spu.SecureFault},
		{"into the secure part", 0xEFFF0, 32, spu.NonSecure, nil, 0xF0000, spu.SecureFault},
		{"past the end", 0xFFFFF, 2, spu.NonSecure, nil, 0x100000, spu.BusFault},
		{"past the address space", 0xFFFFFFFF, 8, spu.NonSecure, nil, 0xFFFFFFFF, spu.BusFault},
		{"RAM", 0x20020003, 4, spu.NonSecure, []byte{0, 0x0D, 0xF0, 0xFE}, 0, spu.NoFault},
		{"registers", 0x40039400, 4, spu.NonSecure, nil, 0x40039400, spu.BusFault},
		{"UICR", 0x00FF8000, 4, spu.NonSecure, nil, 0x00FF8000, spu.SecureFault},
		{"key slots, secure", 0x00FF8800, 4, spu.Secure, []byte{0xAD, 0xDE, 0xAD, 0xDE}, 0, spu.NoFault},
		{"past the UICR", 0x00FF8FFC, 8, spu.Secure, nil, 0x00FF9000, spu.BusFault},
		{"nothing", 0xF4000, 0, spu.NonSecure, nil, 0, spu.NoFault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := bytes.Repeat([]byte{0xAA}, tt.n)
			at, fault := r.ReadBlock(tt.addr, p, tt.attr)
			if fault != tt.fault || fault != spu.NoFault && at != tt.at {
				t.Fatalf("%v at 0x%x, want %v at 0x%x", fault, at, tt.fault, tt.at)
			}
			switch {
			case fault != spu.NoFault && !bytes.Equal(p, make([]byte, tt.n)):
				t.Error("a refused read gave bytes")
			case tt.want != nil && !bytes.Equal(p, tt.want):
				t.Errorf("%x, want %x", p, tt.want)
			}
		})
	}
}

func TestStores(t *testing.T) {
	const configNS = 0x40039584
	tests := []struct {
		name  string
		wen   uint32
		addr  uint32
		width int
		v     uint32
		attr  spu.Attribute
		fault spu.Fault
		want  uint32 // read back as secure
	}{
		{"without write enable", nvmc.Ren, 0xF8010, 4, 0x11, spu.NonSecure, spu.BusFault, 0xFFFFFFFF},
		{"word", nvmc.Wen, 0xF8010, 4, 0x11, spu.NonSecure, spu.NoFault, 0x11},
		{"only clears bits", nvmc.Wen, 0xF8000, 4, 0xFFFFFF00, spu.NonSecure, spu.NoFault, 0x04030200},
		{"half", nvmc.Wen, 0xF8010, 2, 0x11, spu.NonSecure, spu.BusFault, 0xFFFFFFFF},
		{"byte", nvmc.Wen, 0xF8010, 1, 0x11, spu.NonSecure, spu.BusFault, 0xFFFFFFFF},
		{"page erase", nvmc.Een, 0xF8000, 4, 0xFFFFFFFF, spu.NonSecure, spu.NoFault, 0xFFFFFFFF},
		{"into secure storage", nvmc.Wen, 0xF4000, 4, 0, spu.NonSecure, spu.SecureFault, 0x04030201},
		{"erase of secure storage", nvmc.Een, 0xF4000, 4, 0xFFFFFFFF, spu.NonSecure, spu.SecureFault, 0x04030201},
		{"into the secure image, secure", nvmc.Wen, 0x10000, 4, 0, spu.Secure, spu.BusFault, 0xFFFFFFFF},
		{"into the UICR", nvmc.Wen, 0x00FF8200, 4, 0, spu.NonSecure, spu.SecureFault, 0xFFFFFFFF},
		{"into the UICR, secure, without CONFIG", nvmc.Wen, 0x00FF8200, 4, 0, spu.Secure, spu.BusFault, 0xFFFFFFFF},
		{"RAM byte", nvmc.Ren, 0x20020000, 1, 0x1FF, spu.NonSecure, spu.NoFault, 0xFF},
		{"secure RAM", nvmc.Ren, 0x20000000, 4, 1, spu.NonSecure, spu.SecureFault, 0},
		{"SPU register", nvmc.Ren, 0x50003700, 4, 0, spu.NonSecure, spu.SecureFault, 0x17},
		{"KMU select", nvmc.Ren, 0x40039500, 4, 3, spu.NonSecure, spu.SecureFault, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if f := r.Store(configNS, 4, tt.wen, spu.NonSecure); f != spu.NoFault {
				t.Fatal(f)
			}
			if f := r.Store(tt.addr, tt.width, tt.v, tt.attr); f != tt.fault {
				t.Errorf("%v, want %v", f, tt.fault)
			}
			addr := tt.addr
			if addr&aliasMask == nonSecureAlias {
				addr ^= nonSecureAlias ^ secureAlias
			}
			if got, f := r.Load(addr, 4, spu.Secure); f != spu.NoFault || got != tt.want {
				t.Errorf("reads back 0x%x, %v; want 0x%x", got, f, tt.want)
			}
		})
	}
}

// TestSecureKeySlotByAddress reads an identity slot as the secure processor
// does, through the KMU's registers.
func TestSecureKeySlotByAddress(t *testing.T) {
	r := newRig(t)
	if err := r.kmu.Write(6, kmu.NoDest, kmu.PermIdentity, kmu.NewValue([]byte("0123456789abcdef"))); err != nil {
		t.Fatal(err)
	}
	if f := r.Store(0x50039500, 4, 7, spu.Secure); f != spu.NoFault {
		t.Fatal(f)
	}
	p := make([]byte, 16)
	if _, f := r.ReadBlock(0x00FF8800+16*6, p, spu.Secure); f != spu.NoFault || string(p) != "0123456789abcdef" {
		t.Errorf("%q, %v", p, f)
	}
}

func TestOTPThroughTheBus(t *testing.T) {
	r := newRig(t)
	if f := r.Store(0x50039504, 4, nvmc.Wen, spu.Secure); f != spu.NoFault {
		t.Fatal(f)
	}
	for _, v := range []uint32{0xFFFF1234, 0xFFFF0000} { // the second is ignored
		if f := r.Store(0x00FF8104, 4, v, spu.Secure); f != spu.NoFault {
			t.Fatal(f)
		}
	}
	if got, _ := r.Load(0x00FF8104, 2, spu.Secure); got != 0x1234 {
		t.Errorf("0x%x", got)
	}
}

func TestNoPower(t *testing.T) {
	r := newRig(t)
	r.flash.CutAt(1, 1)
	if err := r.flash.Erase(0); err != nvmc.ErrPowerLost {
		t.Fatal(err)
	}
	if v, f := r.Load(0xF8000, 4, spu.NonSecure); f != spu.BusFault || v != 0 {
		t.Errorf("0x%x, %v", v, f)
	}
}
