package platform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/keycells"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/uicr"
)

// The files of a device directory that hold cells. The flash is in two, each as
// large as the flash and with holes where the other has the cells, so that a
// descriptor of the non-secure one gives nothing away.
const (
	flashFile    = "flash.bin"
	flashNSFile  = "flash-ns.bin"
	uicrFile     = "uicr.bin"
	keysFile     = "keys.bin"
	externalFile = "external.bin"

	// What wear has done to the cells of these files.
	flashWearFile    = "flash.wear"
	uicrWearFile     = "uicr.wear"
	externalWearFile = "external.wear"
)

// extent is a run of bytes of a file that exist.
type extent struct{ off, size int64 }

// cellFile is one of these files: its size, and the runs of it that are cells,
// with the value that they have in a new chip.
type cellFile struct {
	name    string
	size    int64
	extents []extent
	value   byte
}

// cellFiles returns the files of cells of a board's devices.
func cellFiles(b *board.Board) []cellFile {
	flash := int64(b.Flash.Size)
	files := []cellFile{
		{flashFile, flash, flashExtents(b, bus.Secure), cells.Erased},
		{flashNSFile, flash, flashExtents(b, bus.NonSecure), cells.Erased},
		whole(flashWearFile, flashWearSize(b), 0),
		whole(uicrFile, uicr.Size, cells.Erased),
		whole(uicrWearFile, cells.WearSize(uicr.Size, uicr.Size), 0),
		whole(keysFile, keysSize(b), cells.Erased),
	}
	if e := b.External; e != nil {
		files = append(files,
			whole(externalFile, int(e.Size), cells.Erased),
			whole(externalWearFile, cells.WearSize(int(e.Size), int(e.Page)), 0))
	}
	return files
}

func whole(name string, size int, value byte) cellFile {
	return cellFile{name, int64(size), []extent{{0, int64(size)}}, value}
}

func flashWearSize(b *board.Board) int {
	if b.Flash.Kind == board.RRAM {
		return cells.LineWearSize(int(b.Flash.Size))
	}
	return cells.WearSize(int(b.Flash.Size), int(b.Flash.Page))
}

// flashExtents returns the runs of the flash that are one world's.
func flashExtents(b *board.Board, attr bus.Attribute) []extent {
	var runs []extent
	for _, a := range b.Areas {
		off := int64(a.Base - b.Flash.Base)
		switch n := len(runs); {
		case a.Attr != attr:
		case n > 0 && runs[n-1].off+runs[n-1].size == off:
			runs[n-1].size += int64(a.Size)
		default:
			runs = append(runs, extent{off, int64(a.Size)})
		}
	}
	return runs
}

// areaCells returns the file that has an area's cells, and where in it they are;
// "" if the device has no such area.
func areaCells(b *board.Board, name string) (file string, run extent) {
	if a, ok := b.External.Area(name); ok {
		return externalFile, extent{int64(a.Base), int64(a.Size)}
	}
	a, ok := b.Area(name)
	switch {
	case !ok:
		return "", extent{}
	case a.Attr == bus.NonSecure:
		file = flashNSFile
	default:
		file = flashFile
	}
	return file, extent{int64(a.Base - b.Flash.Base), int64(a.Size)}
}

// areaExtents returns where a file has cells of the named areas.
func areaExtents(b *board.Board, file string, names []string) (runs []extent) {
	for _, name := range names {
		if f, run := areaCells(b, name); f == file {
			runs = append(runs, run)
		}
	}
	return runs
}

// create makes the file, on the disk when it returns. What is cells is written
// out, not left to the file system: the blocks exist, so that a full disk shows
// now and not when a word is programmed.
func (c cellFile) create(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, c.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	block := bytes.Repeat([]byte{c.value}, 1<<20)
	err = errors.Join(f.Chmod(0o600), f.Truncate(c.size))
	for _, e := range c.extents {
		for off := e.off; err == nil && off < e.off+e.size; off += int64(len(block)) {
			_, err = f.WriteAt(block[:min(int64(len(block)), e.off+e.size-off)], off)
		}
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	return nil
}

// images are the cells of a device.
type images struct {
	flash, flashWear       *cells.Image
	uicr, uicrWear         *cells.Image
	external, externalWear *cells.Image // nil where there is none
	keys                   *keycells.Cells
	// nonSecure is flash-ns.bin, open for reading only.
	nonSecure *os.File
	dir       string
}

func (im *images) path(name string) string { return filepath.Join(im.dir, name) }

// open maps a device's files of cells, each checked first.
func (d *directory) openImages(b *board.Board, supply *power.Supply) (_ *images, err error) {
	im := &images{dir: d.name}
	files := make(map[string]*os.File)
	defer func() {
		for _, f := range files {
			f.Close() // a mapping needs its file no more
		}
		if err != nil {
			im.close()
		}
	}()
	for _, c := range cellFiles(b) {
		if files[c.name], err = d.cellFile(c, unix.O_RDWR); err != nil {
			delete(files, c.name)
			return nil, err
		}
	}
	if im.flash, err = cells.Map(flashPieces(b, files[flashFile], files[flashNSFile])); err != nil {
		return nil, err
	}
	for name, image := range map[string]**cells.Image{
		flashWearFile: &im.flashWear, uicrFile: &im.uicr, uicrWearFile: &im.uicrWear,
		externalFile: &im.external, externalWearFile: &im.externalWear,
	} {
		f := files[name]
		if f == nil {
			continue
		}
		st, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("platform: %w", err)
		}
		if *image, err = cells.Map([]cells.Piece{{File: f, Size: int(st.Size())}}); err != nil {
			return nil, err
		}
	}
	if im.keys, err = keycells.Open(files[keysFile], keysSize(b), supply); err != nil {
		return nil, err
	}
	delete(files, keysFile) // it is the key cells' now
	for _, c := range cellFiles(b) {
		if c.name == flashNSFile {
			im.nonSecure, err = d.cellFile(c, unix.O_RDONLY)
		}
	}
	return im, err
}

// cellFile opens one of the files and checks it.
func (d *directory) cellFile(c cellFile, flags int) (*os.File, error) {
	f, err := d.open(c.name, flags)
	if err != nil {
		return nil, d.explain(c.name, err)
	}
	err = d.check(f, c.name, true)
	if err == nil {
		var st os.FileInfo
		if st, err = f.Stat(); err != nil {
			err = fmt.Errorf("platform: %w", err)
		} else if st.Size() != c.size {
			err = &DeviceError{d.path(c.name), fmt.Sprintf("is %d bytes, not %d", st.Size(), c.size)}
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// flashPieces returns the flash in ascending order, each run from the file that
// has it.
func flashPieces(b *board.Board, secure, nonSecure *os.File) []cells.Piece {
	var pieces []cells.Piece
	for _, a := range b.Areas {
		f := secure
		if a.Attr == bus.NonSecure {
			f = nonSecure
		}
		if n := len(pieces); n > 0 && pieces[n-1].File == f {
			pieces[n-1].Size += int(a.Size)
			continue
		}
		pieces = append(pieces, cells.Piece{File: f, Off: int64(a.Base - b.Flash.Base), Size: int(a.Size)})
	}
	return pieces
}

// punch takes the blocks away that a copy of the device may have put where
// flash-ns.bin has no cells: what lies there is none of anybody's, and a
// descriptor of the file must not show more than the windows do. A file system
// that has no holes keeps them, and the windows are refused then.
func (im *images) punch(d *directory, b *board.Board) error {
	f, err := d.open(flashNSFile, unix.O_RDWR)
	if err != nil {
		return d.explain(flashNSFile, err)
	}
	defer f.Close()
	for _, e := range flashExtents(b, bus.Secure) {
		if at, err := unix.Seek(int(f.Fd()), e.off, unix.SEEK_DATA); err != nil || at >= e.off+e.size {
			continue
		}
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, e.off, e.size)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("platform: %s: %w", d.path(flashNSFile), err)
		}
	}
	return nil
}

// sync asks the host to write everything to its disk.
func (im *images) sync() error { return im.each(func(c cellImage) error { return c.Sync() }) }

// close gives everything back. It may be called for images of which some were
// never opened, and again.
func (im *images) close() error {
	err := im.each(func(c cellImage) error { return c.Close() })
	if im.nonSecure != nil {
		err = errors.Join(err, im.nonSecure.Close())
		im.nonSecure = nil
	}
	return err
}

type cellImage interface {
	Sync() error
	io.Closer
}

func (im *images) each(do func(cellImage) error) (err error) {
	for _, i := range []*cells.Image{im.flash, im.flashWear, im.uicr, im.uicrWear, im.external, im.externalWear} {
		if i != nil {
			err = errors.Join(err, do(i))
		}
	}
	if im.keys != nil {
		err = errors.Join(err, do(im.keys))
	}
	return err
}
