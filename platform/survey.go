package platform

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/cells"
	"github.com/postern-spe/postern/platform/rramc"
	"github.com/postern-spe/postern/platform/uicr"
)

// survey fills in the memories of a report: where they are, how full and how
// worn. Rights are left to reportRights.
func (d *directory) survey(s *SoC, r *Report) error {
	b := s.Board
	flash := MemoryReport{
		Name: MemoryFlash, Kind: string(b.Flash.Kind), Base: b.Flash.Base, Size: b.Flash.Size, Mapped: true, Page: b.Flash.Page, Region: b.Flash.Region,
	}
	for _, a := range b.Areas {
		flash.Areas = append(flash.Areas, AreaReport{Name: a.Name, Base: a.Base, Size: a.Size})
	}
	ram := MemoryReport{Name: MemoryRAM, Kind: "RAM", Base: b.RAM.Base, Size: b.RAM.Size, Mapped: true, Region: b.RAM.Region, Areas: []AreaReport{
		{Name: "secure-ram", Base: b.RAM.Base, Size: b.SecureRAM},
		{Name: "non-secure-ram", Base: b.RAM.Base + b.SecureRAM, Size: b.RAM.Size - b.SecureRAM},
	}}
	info := func(name string, base uint32) MemoryReport {
		return MemoryReport{Name: name, Base: base, Size: board.InfoSize, Mapped: name != MemorySICR, Areas: []AreaReport{{Name: name, Base: base, Size: board.InfoSize}}}
	}
	uicrPage := info(MemoryUICR, b.UICR)
	uicrPage.Page = uicr.Size

	if err := d.surveyFlash(s, &flash); err != nil {
		return err
	}
	r.Memories = []MemoryReport{flash, ram}
	if b.External != nil {
		external := MemoryReport{
			Name: MemoryExternal, Kind: b.External.Part, Controller: b.External.Controller, Base: b.External.XIPBase, Size: b.External.Size,
			Mapped: b.External.XIPSize > 0, Page: b.External.Page, Endurance: s.blocks.chip.external().Endurance,
		}
		external.Areas = externalAreas(b.External)
		if err := d.surveyNOR(&external, s.images.externalWear, externalFile); err != nil {
			return err
		}
		r.Memories = append(r.Memories, external)
	}
	uicrPage.Endurance = flash.Endurance
	if err := d.surveyNOR(&uicrPage, s.images.uicrWear, uicrFile); err != nil {
		return err
	}
	r.Memories = append(r.Memories, info(MemoryFICR, b.FICR.Base), uicrPage)
	if b.SICR != 0 {
		r.Memories = append(r.Memories, info(MemorySICR, b.SICR))
	}
	return nil
}

// externalAreas returns the areas of the external flash, with those between them
// that no layout has named.
func externalAreas(e *board.External) []AreaReport {
	var areas []AreaReport
	at := uint32(0)
	fill := func(end uint32) {
		if end > at {
			areas = append(areas, AreaReport{Name: MemoryExternal, Base: e.XIPBase + at, Size: end - at})
		}
	}
	for _, a := range e.Areas { // one at most
		fill(a.Base)
		areas = append(areas, AreaReport{Name: a.Name, Base: e.XIPBase + a.Base, Size: a.Size})
		at = a.End()
	}
	fill(e.Size)
	return areas
}

// surveyFlash is for the internal flash of either kind, which is in two files.
func (d *directory) surveyFlash(s *SoC, m *MemoryReport) error {
	file := func(a AreaReport) string {
		if area, _ := s.Board.Area(a.Name); area.Attr == bus.NonSecure {
			return flashNSFile
		}
		return flashFile
	}
	if s.Board.Flash.Kind == board.RRAM {
		m.Endurance, m.WearUnit = rramc.NRF54L15().Endurance, WearLine
		lines, err := cells.NewLineWear(s.images.flashWear, int(m.Size))
		if err != nil {
			return err
		}
		for off := 0; off < int(m.Size); off += int(m.Page) {
			m.PageWear = append(m.PageWear, uint32(lines.Worst(off, int(m.Page))))
		}
		return d.surveyAreas(m, file, func(off, size int) *CellsReport {
			var w wearSum
			for at := off; at < off+size; at += cells.LineSize {
				w.add(uint32(lines.Writes(at)))
			}
			return w.report()
		})
	}
	m.Endurance = s.blocks.chip.nvmc().Endurance
	return d.surveyWords(m, s.images.flashWear, file)
}

// surveyNOR is for flash that is in one file, from its start on.
func (d *directory) surveyNOR(m *MemoryReport, wear *cells.Image, file string) error {
	return d.surveyWords(m, wear, func(AreaReport) string { return file })
}

func (d *directory) surveyWords(m *MemoryReport, image *cells.Image, file func(AreaReport) string) error {
	m.WearUnit = WearPage
	size, page := int(m.Size), int(m.Page)
	wear, err := cells.NewWear(image, size, page)
	if err != nil {
		return err
	}
	for n := range size / page {
		m.PageWear = append(m.PageWear, wear.Erases(n))
	}
	return d.surveyAreas(m, file, func(off, size int) *CellsReport {
		var w wearSum
		for _, erases := range m.PageWear[off/page : (off+size)/page] {
			w.add(erases)
		}
		r := w.report()
		if m.Name == MemoryExternal {
			return r // a word of it can be written without limit
		}
		r.Written = wear.Written(off, size)
		return r
	})
}

// surveyAreas fills in the cells of a memory's areas.
func (d *directory) surveyAreas(m *MemoryReport, file func(AreaReport) string, worn func(off, size int) *CellsReport) error {
	for i := range m.Areas {
		a := &m.Areas[i]
		off := a.Base - m.Base
		a.Cells = worn(int(off), int(a.Size))
		var err error
		if a.Cells.Used, err = d.used(file(*a), int64(off), int64(a.Size)); err != nil {
			return err
		}
	}
	return nil
}

// used counts the bytes of a run of a file that are not erased.
func (d *directory) used(name string, off, size int64) (uint32, error) {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return 0, d.explain(name, err)
	}
	defer f.Close()
	used, err := countUsed(f, off, size)
	if err != nil {
		return 0, fmt.Errorf("platform: %s: %w", d.path(name), err)
	}
	return used, nil
}

func countUsed(f *os.File, off, size int64) (used uint32, err error) {
	block := make([]byte, min(size, 1<<20))
	defer clear(block) // it has had what the secure world keeps
	for r := io.NewSectionReader(f, off, size); size > 0; size -= int64(len(block)) {
		block = block[:min(size, int64(len(block)))]
		if _, err := io.ReadFull(r, block); err != nil {
			return 0, err
		}
		used += uint32(len(block) - bytes.Count(block, []byte{cells.Erased}))
	}
	return used, nil
}

// wearSum adds up what the units of an area have been through.
type wearSum struct {
	n, sum   uint64
	min, max uint32
}

func (w *wearSum) add(v uint32) {
	if w.n == 0 || v < w.min {
		w.min = v
	}
	w.max = max(w.max, v)
	w.n++
	w.sum += uint64(v)
}

func (w *wearSum) report() *CellsReport {
	return &CellsReport{Min: w.min, Mean: float64(w.sum) / float64(w.n), Max: w.max}
}

// reportRights asks the guards of a SoC that has booted, or of one that never
// does, who may do what.
func (s *SoC) reportRights(r *Report) {
	for i := range r.Memories {
		m := &r.Memories[i]
		for j := range m.Areas {
			a := &m.Areas[j]
			secure, nonSecure := s.rights(m, a)
			a.Secure, a.NonSecure = rights(secure), rights(nonSecure)
			switch {
			case secure|nonSecure == 0:
				a.World = WorldUnmapped
			case nonSecure != 0:
				a.World = WorldNonSecure
			default:
				a.World = WorldSecure
			}
			if s.booted {
				s.reportBoot(m, a)
			}
		}
	}
}

// rights is what code of each world may do throughout an area.
func (s *SoC) rights(m *MemoryReport, a *AreaReport) (secure, nonSecure bus.Access) {
	all := bus.Read | bus.Write | bus.Execute
	switch m.Name {
	case MemoryUICR: // behind no guard
		return bus.Read | bus.Write, 0
	case MemoryFICR:
		if s.Board.FICR.Attr == bus.Secure {
			return bus.Read, 0
		}
		all = bus.Read
	case MemoryExternal:
		all = bus.Read | bus.Execute // the window is for reading
	}
	if !m.Mapped {
		return 0, 0
	}
	for _, right := range []bus.Access{bus.Read & all, bus.Write & all, bus.Execute & all} {
		if right == 0 {
			continue
		}
		if s.permits(m, a, right, bus.SecureCPU) {
			secure |= right
		}
		if s.permits(m, a, right, bus.NonSecureCPU) {
			nonSecure |= right
		}
	}
	return secure, nonSecure
}

func (s *SoC) permits(m *MemoryReport, a *AreaReport, right bus.Access, from bus.Origin) bool {
	if s.guard.CheckRange(a.Base, a.Size, right, from) != nil {
		return false
	}
	if m.Name == MemoryExternal {
		return from.Attr == bus.Secure || (qspiDMA{s}).origin().Attr == bus.NonSecure // as xip has it
	}
	return m.Name != MemoryFlash || s.blocks.flash.permits(a.Base, int(a.Size), right, from)
}

// reportBoot adds what boot has done: locks and veneers.
func (s *SoC) reportBoot(m *MemoryReport, a *AreaReport) {
	switch m.Name {
	case MemoryFlash:
		area, _ := s.Board.Area(a.Name)
		a.Locked = area.Rights != 0 || a.Name == board.Bootloader
		if a.Name == board.SecureImage {
			a.Callable = &Range{a.End() - s.Board.Callable, s.Board.Callable}
		}
	case MemoryRAM:
		// The MPC locks windows into what is secure, and nothing secure.
		a.Locked = s.blocks.chip.spu != nil || a.World == WorldNonSecure
	}
}
