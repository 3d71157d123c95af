package keycells

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/disk"
)

// swap puts another file in the place of the one that c has: /dev/null can be
// written, and the kernel refuses to sync it.
func swap(t *testing.T, c *Cells, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Dup3(int(f.Fd()), int(c.file.Fd()), unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

// Durable cells sync what each operation has changed, before anybody can see it,
// and are gone for good when the host cannot.
func TestDurable(t *testing.T) {
	const size = 64
	for name, do := range map[string]func(*Cells) error{
		"program": func(c *Cells) error { return c.Program(4, []byte{1, 2, 3, 4}) },
		"write":   func(c *Cells) error { return c.Write(3, []byte{0xAA, 0xBB}) },
		"erase":   (*Cells).EraseAll,
	} {
		t.Run(name, func(t *testing.T) {
			lazy, _ := onDisk(t, size, nil)
			swap(t, lazy, os.DevNull)
			if err := do(lazy); err != nil {
				t.Fatalf("cells that are not durable: %v", err)
			}
			c, path := onDisk(t, size, nil)
			c.Durable()
			if err := errors.Join(c.Write(0, []byte("before!!")), do(c), c.Write(0, []byte("before!!"))); err != nil {
				t.Fatal(err)
			}
			swap(t, c, os.DevNull)
			first := do(c)
			if e := (*disk.SyncError)(nil); !errors.As(first, &e) || !errors.Is(first, unix.EINVAL) {
				t.Fatalf("a sync that the kernel refuses: %v", first)
			}
			if string(c.mem[:8]) != "before!!" {
				t.Error("the memory has what is not on the disk")
			}
			swap(t, c, path) // now it would succeed
			for name, err := range map[string]error{
				"read": c.Read(0, make([]byte, 1)), "program": c.Program(0, make([]byte, 4)), "write": c.Write(0, []byte{0}),
				"sync": c.Sync(), "lend": c.Lend(0, func(*Value) error { return nil }),
			} {
				if !errors.Is(err, unix.EINVAL) {
					t.Errorf("%s after a failed sync: %v", name, err)
				}
			}
			if c.Erased(0, 4) || c.Zero(0, 4) {
				t.Error("cells that cannot be relied on pass for erased")
			}
		})
	}
}
