package dppic

import (
	"fmt"
	"sync"
	"testing"

	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/internal/regtest"
)

func bits(v uint32) func() uint32 { return func() uint32 { return v } }

// TestRegisters has every register of every controller, as the SVDs have them,
// with all channels non-secure and with all channels secure.
func TestRegisters(t *testing.T) {
	sizes := map[string][2]int{
		"nrf5340 DPPIC": {32, 6}, "nrf9160 DPPIC": {16, 6},
		"nrf54l15 DPPIC00": {8, 2}, "nrf54l15 DPPIC10": {24, 6}, "nrf54l15 DPPIC20": {16, 6}, "nrf54l15 DPPIC30": {4, 2},
	}
	seen := 0
	for chip, vs := range map[string][]Variant{"nrf5340": NRF5340(), "nrf9160": NRF9160(), "nrf54l15": NRF54L15()} {
		for _, v := range vs {
			seen++
			size := sizes[chip+" "+v.Name]
			for _, world := range []string{"non-secure", "secure"} {
				ns := world == "non-secure"
				by := Attribution{Channels: bits(0)}
				if !ns {
					by.Channels = bits(0xFFFFFFFF)
				}
				if chip == "nrf54l15" {
					by.Groups = by.Channels
				}
				channels := uint32(1<<size[0] - 1)
				rows := []regtest.Row{
					{Name: "CHEN", Off: 0x500, Ones: channels, Zeros: channels, NonSecure: ns},
					{Name: "CHENSET", Off: 0x504, Ones: channels, NonSecure: ns},
					{Name: "CHENCLR", Off: 0x508, NonSecure: ns},
				}
				for n := range uint32(7) {
					if n >= uint32(size[1]) {
						for _, off := range []uint32{8 * n, 8*n + 4, 0x80 + 8*n, 0x84 + 8*n, 0x800 + 4*n} {
							rows = append(rows, regtest.Row{Name: fmt.Sprintf("nothing at 0x%03x", off), Off: off})
						}
						continue
					}
					// A group is secure through a channel in it, or its own
					// attribute; an empty one of the nRF53 is not.
					open := ns || by.Groups == nil
					rows = append(rows,
						regtest.Row{Name: fmt.Sprintf("TASKS_CHG[%d].EN", n), Off: 8 * n},
						regtest.Row{Name: fmt.Sprintf("TASKS_CHG[%d].DIS", n), Off: 8*n + 4},
						regtest.RW(regtest.Row{Name: fmt.Sprintf("SUBSCRIBE_CHG[%d].EN", n), Off: 0x80 + 8*n, NonSecure: open}, 0x800000FF),
						regtest.RW(regtest.Row{Name: fmt.Sprintf("SUBSCRIBE_CHG[%d].DIS", n), Off: 0x84 + 8*n, NonSecure: open}, 0x800000FF),
						regtest.RW(regtest.Row{Name: fmt.Sprintf("CHG[%d]", n), Off: 0x800 + 4*n, NonSecure: ns}, channels),
					)
				}
				for _, off := range []uint32{0x040, 0x0C0, 0x50C, 0x7FC, 0x81C, 0x802} {
					rows = append(rows, regtest.Row{Name: fmt.Sprintf("nothing at 0x%03x", off), Off: off})
				}
				t.Run(chip+" "+v.Name+"/"+world, func(t *testing.T) {
					regtest.Run(t, func() bus.Peripheral { return New(v, by) }, rows)
				})
			}
		}
	}
	if seen != len(sizes) {
		t.Errorf("%d controllers, want %d", seen, len(sizes))
	}
}

func (d *DPPIC) get(off uint32, view bus.Attribute) uint32 {
	v, _ := d.ReadRegister(off, view)
	return v
}

func TestMixedChannels(t *testing.T) {
	const secure = 0xF0F0
	d := New(NRF9160()[0], Attribution{Channels: bits(secure)})
	d.WriteRegister(RegChEn, 0xFFFFFFFF, bus.NonSecure)
	if got := d.Enabled(); got != 0x0F0F {
		t.Errorf("0x%x after non-secure ones", got)
	}
	d.WriteRegister(RegChEnSet, 0xFFFFFFFF, bus.Secure)
	for _, off := range []uint32{RegChEn, RegChEnSet, RegChEnClr} {
		if s, ns := d.get(off, bus.Secure), d.get(off, bus.NonSecure); s != 0xFFFF || ns != 0x0F0F {
			t.Errorf("0x%03x: 0x%x, non-secure 0x%x", off, s, ns)
		}
	}
	d.WriteRegister(RegChEnClr, 0xFFFFFFFF, bus.NonSecure)
	if got := d.Enabled(); got != secure {
		t.Errorf("0x%x after a non-secure clear", got)
	}
	d.WriteRegister(RegChg, 0xFFFF, bus.NonSecure)
	if got := d.get(RegChg, bus.NonSecure); got != 0x0F0F {
		t.Errorf("CHG[0] 0x%x: a non-secure write takes non-secure channels", got)
	}
}

// TestSecureGroup: a group that contains a secure channel is hidden, tasks and
// subscriptions with it.
func TestSecureGroup(t *testing.T) {
	for name, by := range map[string]Attribution{
		"by a channel":      {Channels: bits(1 << 3)},
		"by its attribute":  {Channels: bits(0), Groups: bits(1 << 1)},
		"by a channel, 54L": {Channels: bits(1 << 3), Groups: bits(1 << 1)},
	} {
		t.Run(name, func(t *testing.T) {
			d := New(NRF5340()[0], by)
			d.WriteRegister(RegChg+4, 0x0F, bus.Secure)
			d.WriteRegister(RegChg+8, 0x30, bus.Secure)
			d.WriteRegister(RegSubscribeChg+8, subscribeEnable|7, bus.Secure)
			for _, off := range []uint32{RegChg + 4, RegSubscribeChg + 8, RegSubscribeChg + 12, RegTasksChg + 8, RegTasksChg + 12} {
				before := d.get(off, bus.Secure)
				d.WriteRegister(off, 0xFFFFFFFF, bus.NonSecure)
				d.WriteRegister(off, 0, bus.NonSecure)
				if s, ns := d.get(off, bus.Secure), d.get(off, bus.NonSecure); s != before || ns != 0 || d.Enabled() != 0 {
					t.Errorf("0x%03x: 0x%x, non-secure 0x%x, enabled 0x%x", off, s, ns, d.Enabled())
				}
			}
			d.WriteRegister(RegTasksChg+16, 1, bus.NonSecure)
			if got := d.Enabled(); got != 0x30 || d.get(RegChg+8, bus.NonSecure) != 0x30 {
				t.Errorf("a non-secure group: enabled 0x%x", got)
			}
		})
	}
}

// TestNonSecureGroupOf54L: secure code cannot put a secure channel in it either.
func TestNonSecureGroupOf54L(t *testing.T) {
	d := New(NRF54L15()[1], Attribution{Channels: bits(0xF0), Groups: bits(1 << 1)})
	d.WriteRegister(RegChg, 0xFF, bus.Secure)
	d.WriteRegister(RegChg+4, 0xFF, bus.Secure)
	if a, b := d.get(RegChg, bus.Secure), d.get(RegChg+4, bus.Secure); a != 0x0F || b != 0xFF {
		t.Errorf("non-secure group 0x%x, secure group 0x%x", a, b)
	}
}

func TestTasks(t *testing.T) {
	d := New(NRF5340()[0], Attribution{Channels: bits(0)})
	step := func(name string, want uint32, off, v uint32) {
		t.Helper()
		d.WriteRegister(off, v, bus.Secure)
		if got := d.Enabled(); got != want {
			t.Errorf("%s: enabled 0x%x, want 0x%x", name, got, want)
		}
	}
	step("members", 0, RegChg+4*5, 0x80000003)
	step("a 0 to EN", 0, RegTasksChg+8*5, 0)
	step("EN", 0x80000003, RegTasksChg+8*5, 1)
	step("another channel", 0x80000007, RegChEnSet, 4)
	step("a 0 to DIS", 0x80000007, RegTasksChg+8*5+4, 0)
	step("DIS", 4, RegTasksChg+8*5+4, 1)
	for i, off := range []uint32{RegSubscribeChg + 8*5, RegSubscribeChg + 8*5 + 4} {
		d.WriteRegister(off, subscribeEnable, bus.Secure)
		d.WriteRegister(RegChg+4*5, 0, bus.Secure)
		if got := d.get(RegChg+4*5, bus.Secure); got != 0x80000003 {
			t.Errorf("CHG[5] 0x%x: written while subscription %d is enabled", got, i)
		}
		d.WriteRegister(off, 0, bus.Secure)
	}
	d.Reset()
	if d.Enabled() != 0 || d.get(RegChg+4*5, bus.Secure) != 0 {
		t.Error("not reset")
	}
}

func TestPublish(t *testing.T) {
	const secure = 1 << 9
	d := New(NRF9160()[0], Attribution{Channels: bits(secure)})
	for _, r := range [][2]uint32{
		{RegChg, 0x003},
		{RegChg + 4, 0x006},
		{RegChg + 8, secure},
		{RegSubscribeChg, subscribeEnable | 5},         // EN of group 0
		{RegSubscribeChg + 8 + 4, subscribeEnable | 5}, // DIS of group 1
		{RegSubscribeChg + 4, subscribeEnable | 9},     // DIS of group 0, from a secure channel
		{RegSubscribeChg + 16, 9},                      // not enabled
	} {
		d.WriteRegister(r[0], r[1], bus.Secure)
	}
	step := func(name string, channel uint8, attr bus.Attribute, carried bool, enabled uint32) {
		t.Helper()
		if got := d.Publish(channel, attr); got != carried || d.Enabled() != enabled {
			t.Errorf("%s: carried %v, enabled 0x%x, want %v, 0x%x", name, got, d.Enabled(), carried, enabled)
		}
	}
	step("a channel that is not enabled", 5, bus.Secure, false, 0)
	d.WriteRegister(RegChEn, 1<<5|1<<2|secure, bus.Secure)
	step("enable before disable", 5, bus.NonSecure, true, 1<<5|3|secure)
	step("a secure channel, from a non-secure peripheral", 9, bus.NonSecure, false, 1<<5|3|secure)
	step("a secure channel, to a non-secure group", 9, bus.Secure, true, 1<<5|3|secure)
	d.WriteRegister(RegSubscribeChg+16+4, subscribeEnable|9, bus.Secure) // DIS of group 2
	step("a secure channel, to a secure group", 9, bus.Secure, true, 1<<5|3)
	for _, channel := range []uint8{16, 31, 32, 255} {
		step("no such channel", channel, bus.Secure, false, 1<<5|3)
	}
}

// TestConcurrent: the two worlds write their own channels, and neither loses one.
func TestConcurrent(t *testing.T) {
	d := New(NRF5340()[0], Attribution{Channels: bits(0xFFFF)})
	var wg sync.WaitGroup
	for view, channels := range map[bus.Attribute]uint32{bus.Secure: 0xFFFF, bus.NonSecure: 0xFFFF0000} {
		wg.Go(func() {
			for range 1000 {
				d.WriteRegister(RegChEnSet, channels, view)
				if d.get(RegChEn, view)&channels != channels {
					t.Errorf("%v lost channels", view)
				}
				d.Publish(3, view)
				d.WriteRegister(RegChEnClr, channels, view)
			}
		})
	}
	wg.Wait()
}
