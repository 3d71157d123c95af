package platform

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/secretmem"
)

// replicate returns a device's cells in memory, where what a SoC does to them
// reaches no file. Copied is what a SoC needs to say what it is: information
// page, keys, counters, all counts of wear, and the areas that are named. What
// else the two worlds have stored is not: those cells are zeros, and take no
// memory.
//
// Somebody may be using the device, so the copy need not be of one moment.
func (d *directory) replicate(b *board.Board, areas []string) (_ *images, err error) {
	im := new(images)
	defer func() {
		if err != nil {
			err = errors.Join(err, im.close())
		}
	}()
	areas = append([]string{board.NVCounters}, areas...)
	for _, c := range cellFiles(b) {
		copied := c.extents
		var image **cells.Image
		switch c.name {
		case flashFile:
			image = &im.flash
			copied = areaExtents(b, c.name, areas)
		case flashWearFile:
			image = &im.flashWear
		case uicrFile:
			image = &im.uicr
		case uicrWearFile:
			image = &im.uicrWear
		case externalFile:
			image = &im.external
			copied = areaExtents(b, c.name, areas)
		case externalWearFile:
			image = &im.externalWear
		}
		if err := d.copyCells(c, image, copied, &im.keys); err != nil {
			return nil, err
		}
	}
	return im, nil
}

// copyCells checks a file and copies runs of it to an image, or the values of
// keys.bin to secret memory. Files without an image are checked.
func (d *directory) copyCells(c cellFile, image **cells.Image, copied []extent, keys **keycells.Cells) error {
	f, err := d.cellFile(c, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	switch {
	case c.name == keysFile:
		*keys, err = copyKeys(f, int(c.size))
	case image != nil:
		*image, err = copyImage(f, c.size, copied)
	}
	if err != nil {
		return fmt.Errorf("platform: copy %s: %w", d.path(c.name), err)
	}
	return nil
}

// copyImage returns an image of size bytes in memory: runs of f, zeros else.
func copyImage(f *os.File, size int64, runs []extent) (*cells.Image, error) {
	fd, err := unix.MemfdCreate("cells", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	mem := os.NewFile(uintptr(fd), "cells")
	defer mem.Close() // a mapping needs its file no more
	if err := mem.Truncate(size); err != nil {
		return nil, err
	}
	for _, r := range runs {
		if _, err := io.Copy(io.NewOffsetWriter(mem, r.off), io.NewSectionReader(f, r.off, r.size)); err != nil {
			return nil, err
		}
	}
	return cells.Map([]cells.Piece{{File: mem, Size: int(size)}})
}

// copyKeys returns key cells in memory with the values of f, which pass through
// secret memory only.
func copyKeys(f *os.File, size int) (*keycells.Cells, error) {
	transit, err := secretmem.Alloc(size)
	if err != nil {
		return nil, err
	}
	defer transit.Destroy()
	p := transit.Bytes()
	if _, err := f.ReadAt(p, 0); err != nil {
		return nil, err
	}
	keys, err := keycells.Memory(size)
	if err != nil {
		return nil, err
	}
	const page = 4096 // one Write does not cross it
	for off := 0; off < size; off += page {
		if err := keys.Write(off, p[off:min(off+page, size)]); err != nil {
			return nil, errors.Join(err, keys.Close())
		}
	}
	return keys, nil
}
