package qspi

import (
	"bytes"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

func TestXIP(t *testing.T) {
	d := active(t)
	if err := d.flash.Program(0x2000, pattern(64)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		set    func(d *device)
		addr   uint32
		access bus.Access
		fault  bus.Fault
	}{
		{"read", func(*device) {}, xip + 0x2000, bus.Read, bus.NoFault},
		{"fetch", func(*device) {}, xip + 0x2000, bus.Execute, bus.NoFault},
		{"XIPOFFSET", func(d *device) { d.set(RegXIPOffset, 0x1000) }, xip + 0x1000, bus.Read, bus.NoFault},
		{"past the end", func(*device) {}, xip + size - 32, bus.Read, bus.BusFault},
		{"XIPOFFSET past the end", func(d *device) { d.set(RegXIPOffset, size) }, xip, bus.Read, bus.BusFault},
		{"XIPOFFSET wraps", func(d *device) { d.set(RegXIPOffset, 0xFFFFF000) }, xip, bus.Read, bus.BusFault},
		{"XIPEN 0", func(d *device) { d.set(RegXIPEn, 0) }, xip + 0x2000, bus.Read, bus.BusFault},
		{"not active", func(d *device) { d.set(RegTasksDeactivate, 1) }, xip + 0x2000, bus.Read, bus.BusFault},
		{"not enabled", func(d *device) { d.set(RegEnable, 0) }, xip + 0x2000, bus.Read, bus.BusFault},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.Reset()
			d.set(RegEnable, 1)
			d.set(RegTasksActivate, 1)
			tt.set(d)
			p := make([]byte, 64)
			if f := d.Load(tt.addr, p, tt.access, bus.NonSecureCPU); f != tt.fault {
				t.Errorf("%v, want %v", f, tt.fault)
			}
			if tt.fault == bus.NoFault && !bytes.Equal(p, pattern(64)) {
				t.Error("read wrong")
			}
		})
	}
	if f := d.Store(xip, 4, 0, bus.SecureCPU); f != bus.BusFault {
		t.Errorf("store: %v", f)
	}
}

func BenchmarkReadTask(b *testing.B) {
	d := active(b)
	d.start(RegTasksReadStart, RegReadSrc, 0, ramBase, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		d.set(RegTasksReadStart, 1)
	}
}

func BenchmarkLoadWord(b *testing.B) {
	d := active(b)
	b.ReportAllocs()
	var p [4]byte
	for b.Loop() {
		if d.Load(xip, p[:], bus.Read, bus.NonSecureCPU) != bus.NoFault {
			b.Fatal("fault")
		}
	}
}
