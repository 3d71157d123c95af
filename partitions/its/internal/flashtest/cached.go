package flashtest

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// sector is what a host's disk writes at once, in bytes.
const sector = 512

// Cached is flash in a file whose pages the host writes to its disk when it
// likes, or when Sync asks for it. Its power fails when Crash says so.
type Cached struct {
	*Flash
	// Syncs is how often Sync was called.
	Syncs int

	disk []byte
}

// NewCached returns what a host has of f, all of which is on its disk.
func NewCached(f *Flash) *Cached { return &Cached{Flash: f, disk: f.Image()} }

// Clone returns a copy of the file, of what is on the disk, too.
func (c *Cached) Clone() *Cached {
	return &Cached{Flash: c.Flash.Clone(), disk: slices.Clone(c.disk)}
}

// Sync puts the bytes from..to on the disk.
func (c *Cached) Sync(from, to int) error {
	if c.off {
		return ErrPower
	}
	c.Syncs++
	copy(c.disk[from:to], c.mem[from:to])
	return nil
}

// Crash returns what the disk has when the host loses its power: of each sector
// that was changed since it was synced, either state.
func (c *Cached) Crash(seed uint64) *Flash {
	image, rng := slices.Clone(c.disk), rand.New(rand.NewPCG(seed, 3))
	for at := 0; at < len(image); at += sector {
		if now := c.mem[at:min(at+sector, len(image))]; !bytes.Equal(now, image[at:][:len(now)]) && rng.IntN(2) == 0 {
			copy(image[at:], now)
		}
	}
	f := FromImage(image, c.pageSize)
	f.Kind = c.Kind
	return f
}
