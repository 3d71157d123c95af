package buslink

import (
	"bytes"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

func TestAccesses(t *testing.T) {
	path, _, _ := serving(t)
	c := dial(t, path)
	if c.Board() != "ram64" {
		t.Errorf("board %q", c.Board())
	}
	if o, err := c.Store(MemoryAP, 0x100, 4, 0x11223344); o != OK || err != nil {
		t.Fatal(o, err)
	}
	if o, err := c.Store(MemoryAP, 0x101, 1, 0xFFFFFFAA); o != OK || err != nil {
		t.Fatal(o, err)
	}
	for _, tt := range []struct {
		addr  uint32
		width int
		want  uint32
		o     Outcome
	}{
		{0x100, 4, 0x1122AA44, OK},
		{0x102, 2, 0x1122, OK},
		{0x101, 1, 0xAA, OK},
		{secureFrom, 4, 0, SecureFault},
		{1 << 20, 4, 0, BusFault},
	} {
		if v, o, err := c.Load(MemoryAP, tt.addr, tt.width); v != tt.want || o != tt.o || err != nil {
			t.Errorf("load %d at 0x%x: 0x%x, %v, %v", tt.width, tt.addr, v, o, err)
		}
	}
	if v, o, err := c.Fetch(MemoryAP, 0, 4); v != 0 || o != BusFault || err != nil {
		t.Errorf("fetch: 0x%x, %v, %v", v, o, err)
	}
	if o, err := c.Store(MemoryAP, secureFrom, 4, 1); o != SecureFault || err != nil {
		t.Errorf("store: %v, %v", o, err)
	}
	if v, o, err := c.Load(closedAP, 0x100, 4); v != 0 || o != Protected || err != nil {
		t.Errorf("closed port: 0x%x, %v, %v", v, o, err)
	}
	if o, err := c.Store(1, 0x100, 4, 0); o != BusFault || err != nil {
		t.Errorf("no port: %v, %v", o, err)
	}
	if _, _, err := c.Load(MemoryAP, 0x100, 3); err == nil {
		t.Error("a load of 3 bytes")
	}
	p := make([]byte, MaxBlock)
	if _, o, err := c.ReadBlock(MemoryAP, 0, p); o != OK || err != nil || p[0x101] != 0xAA {
		t.Errorf("block: %v, %v", o, err)
	}
	if at, o, err := c.ReadBlock(MemoryAP, secureFrom-8, p[:16]); o != SecureFault || at != secureFrom || err != nil || !bytes.Equal(p[:16], make([]byte, 16)) {
		t.Errorf("block into secure memory: %v at 0x%x, %v, %x", o, at, err, p[:16])
	}
	if _, _, err := c.ReadBlock(MemoryAP, 0, make([]byte, MaxBlock+1)); err == nil {
		t.Error("a block that is too long")
	}
	if _, _, err := c.ReadBlock(MemoryAP, 0, nil); err == nil {
		t.Error("an empty block")
	}
	// The refused arguments have not cost the connection.
	if _, o, err := c.Load(MemoryAP, 0, 4); o != OK || err != nil {
		t.Errorf("afterwards: %v, %v", o, err)
	}
}

func TestManyClients(t *testing.T) {
	path, _, _ := servingEach(t, 16)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c, err := Dial(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			addr := uint32(i) * 64
			for n := range uint32(50) {
				if o, err := c.Store(MemoryAP, addr, 4, n); o != OK || err != nil {
					t.Error(o, err)
				}
				if v, o, err := c.Load(MemoryAP, addr, 4); v != n || o != OK || err != nil {
					t.Error(v, o, err)
				}
			}
		})
	}
	wg.Wait()
}

const noName = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestDialAnotherServer(t *testing.T) {
	for name, greeting := range map[string]string{
		"another protocol": "SSH-2.0-OpenSSH_10.0 and more", "another version": "PBUS\x07\x00\x00\x00" + noName,
		"another status": "PBUS\x01\x00\x09\x00" + noName, "hangs up": "PB", "no name": "PBUS\x01\x00\x00\x00" + noName,
		"an improper name": "PBUS\x01\x00\x00\x00nrf\x1b[2J" + noName[8:],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err == nil {
					conn.Write([]byte(greeting))
					conn.Close()
				}
			}()
			if c, err := Dial(path); err == nil {
				c.Close()
				t.Error("connected")
			}
		})
	}
}
