package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/veneer"
)

// storageReport is what fsck and inspect --storage tell of a device's storage.
// Nothing in it is secret: places, sizes and counts, and never what is stored,
// under which uid or whose it is. Its names in JSON stay as they are.
type storageReport struct {
	Board     string `json:"board"`
	ID        string `json:"device_id"`
	Lifecycle string `json:"lifecycle"`
	UsedBy    int    `json:"used_by_pid,omitempty"`
	// Moving is platform.Snapshot.Torn.
	Moving bool `json:"moving,omitempty"`
	// Damaged: an area holds what no power cut leaves.
	Damaged bool          `json:"damaged"`
	Areas   []storageArea `json:"areas"` // none while an ERASEALL is to be completed
}

// storageArea is one area.
type storageArea struct {
	Name     string    `json:"name"`
	Memory   string    `json:"memory"`
	Mapped   bool      `json:"mapped"` // the memory has addresses
	Base     uint32    `json:"base"`   // address, or offset in a memory that has none
	Size     uint32    `json:"size"`
	PageSize uint32    `json:"page_size"`
	State    areaState `json:"state"`
	// One of them at most is there: neither in an area that cannot be read.
	Store    *storeReport    `json:"store,omitempty"`
	Counters *countersReport `json:"counters,omitempty"`
	Wear     wearReport      `json:"wear"`
	Damage   []finding       `json:"damage"`
	Repairs  []finding       `json:"repairs"` // what the next boot does
}

// areaState is how an area is.
type areaState string

const (
	areaBlank       areaState = "blank" // never used, or wiped
	areaSound       areaState = "sound"
	areaInterrupted areaState = "interrupted" // the next boot repairs it
	areaDamaged     areaState = "damaged"
	areaUnreadable  areaState = "unreadable" // damaged, so that the device does not boot
)

// storeReport is a log of assets: see flashlog.Report, which has the same names.
type storeReport struct {
	Pages    int `json:"pages"`
	InUse    int `json:"pages_in_use"`
	Records  int `json:"records"`
	Assets   int `json:"assets"`
	Bytes    int `json:"asset_bytes"`
	Removals int `json:"removals"`
	Torn     int `json:"torn_records"`
	Corrupt  int `json:"corrupt_assets"`
	Capacity int `json:"capacity_bytes"`
	Live     int `json:"live_bytes"`
	Dead     int `json:"dead_bytes"`
	Free     int `json:"free_bytes"`
	Largest  int `json:"largest_asset"`
}

// countersReport is the log of the NV counters.
type countersReport struct {
	Records int    `json:"records"`
	Room    int    `json:"room_for_records"`
	Moves   uint32 `json:"moves"`
}

// wearReport is the wear of an area's cells.
type wearReport struct {
	Unit      platform.WearUnit `json:"unit"`
	Endurance int               `json:"endurance"`
	Min       uint32            `json:"min"`
	Mean      float64           `json:"mean"`
	Max       uint32            `json:"max"`
	Pages     []uint32          `json:"pages"` // each page's, or that of its most worn line
}

// finding is a place that is damaged or is to be repaired.
type finding struct {
	Offset  *int   `json:"offset,omitempty"` // in the area; nil: none in particular
	What    string `json:"what"`
	Meaning string `json:"meaning,omitempty"` // of damage, for who owns the device
}

// examineStorage looks at the storage of a device: offline, or at one that may be
// in use.
func examineStorage(dir string, offline bool) (_ *storageReport, err error) {
	names := []string{board.ITS, board.PS, board.NVCounters}
	s, err := platform.TakeSnapshot(dir, platform.SnapshotOptions{Areas: names, Offline: offline})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r := &storageReport{
		Board: s.Report.Board, ID: s.Report.ID, Lifecycle: s.Report.Lifecycle, UsedBy: s.Report.UsedBy,
		Moving: s.Torn, Areas: []storageArea{},
	}
	if r.Lifecycle == platform.LifecycleErasing {
		return r, nil // whatever an area holds, it goes
	}
	for _, name := range names {
		area, err := s.Area(name)
		if err != nil {
			return nil, err
		}
		a := newStorageArea(s.Report, name)
		if name == board.NVCounters {
			err = a.examineCounters(area, r.Lifecycle == platform.LifecycleBlank)
		} else {
			err = a.examineStore(area)
		}
		if err != nil {
			return nil, fmt.Errorf("area %s: %w", name, err)
		}
		r.Damaged = r.Damaged || len(a.Damage) > 0
		r.Areas = append(r.Areas, a)
	}
	return r, nil
}

func newStorageArea(r *platform.Report, name string) storageArea {
	m, a := r.Area(name)
	base := a.Base
	if !m.Mapped {
		base -= m.Base
	}
	return storageArea{
		Name: name, Memory: m.Name, Mapped: m.Mapped, Base: base, Size: a.Size, PageSize: m.Page,
		Wear: wearReport{
			Unit: m.WearUnit, Endurance: m.Endurance,
			Min: a.Cells.Min, Mean: a.Cells.Mean, Max: a.Cells.Max, Pages: m.WearOf(a),
		},
		Damage: []finding{}, Repairs: []finding{},
	}
}

func (a *storageArea) address() string {
	if !a.Mapped {
		return fmt.Sprintf("+0x%08x", a.Base)
	}
	return fmt.Sprintf("0x%08x", a.Base)
}

// notBooting is what damage means that the secure world refuses.
const notBooting = "the device does not boot: put a copy back, or wipe and provision it anew"

// examineStore looks at a log of assets, and tries in the copy what the next boot
// will do. An error is not the area's.
func (a *storageArea) examineStore(area platform.FlashArea) error {
	checked, err := flashlog.Check(area)
	if err != nil {
		a.unreadable(err)
		return nil
	}
	r, err := checked.Report()
	if err != nil {
		return err
	}
	a.Store = &storeReport{
		Pages: r.Pages, InUse: r.InUse, Records: r.Records, Assets: r.Assets, Bytes: r.Bytes,
		Removals: r.Removals, Torn: r.Torn, Corrupt: r.Corrupt,
		Capacity: r.Live + r.Dead + r.Free, Live: r.Live, Dead: r.Dead, Free: r.Free, Largest: r.Largest,
	}
	for _, d := range r.Damage {
		a.Damage = append(a.Damage, finding{&d.Offset, d.What, meaning(d.Effect)})
	}
	for _, d := range r.Repairs {
		a.Repairs = append(a.Repairs, finding{Offset: &d.Offset, What: d.What})
	}
	if _, err := checked.Mount(); err != nil {
		a.unreadable(fmt.Errorf("its repair fails: %w", err))
		return nil
	}
	switch {
	case len(a.Damage) > 0:
		a.State = areaDamaged
	case len(a.Repairs) > 0:
		a.State = areaInterrupted
	case r.InUse == 0:
		a.State = areaBlank
	default:
		a.State = areaSound
	}
	return nil
}

// meaning is what damage means for who owns the device.
func meaning(e flashlog.Effect) string {
	switch e {
	case flashlog.Harmless:
		return "no harm: it does not count any more, and goes when its page is collected"
	case flashlog.Corrected:
		return "no harm: it is corrected whenever it is read"
	case flashlog.Corrupting:
		return "an asset answers DATA_CORRUPT until it is set or removed"
	}
	return "what may have changed there answers DATA_CORRUPT until set or removed"
}

// examineCounters looks at the NV counters. A device that is blank has none.
func (a *storageArea) examineCounters(area platform.FlashArea, deviceBlank bool) error {
	r, err := counters.Check(area)
	switch {
	case errors.Is(err, counters.ErrBlank) && deviceBlank:
		a.State = areaBlank
		return nil
	case errors.Is(err, counters.ErrBlank), errors.Is(err, counters.ErrDamaged), errors.Is(err, counters.ErrArea):
		a.unreadable(err)
		return nil
	case err != nil:
		return err
	}
	a.Counters = &countersReport{Records: r.Records, Room: r.Room, Moves: r.Moves}
	a.State = areaSound
	if r.Torn {
		a.Repairs = append(a.Repairs, finding{What: "pass over a torn record, and move the counters to the other half"})
	}
	if r.Moved {
		a.Repairs = append(a.Repairs, finding{What: "erase the half of the area that holds nothing that counts"})
	}
	if len(a.Repairs) > 0 {
		a.State = areaInterrupted
	}
	return nil
}

// unreadable takes down why an area cannot be read. Errors of flashlog say where
// in their first words.
func (a *storageArea) unreadable(err error) {
	f := finding{What: strings.TrimSuffix(err.Error(), ": "+veneer.ErrDataCorrupt.Error()), Meaning: notBooting}
	var off int
	if _, err := fmt.Sscanf(f.What, "offset 0x%x:", &off); err == nil {
		_, f.What, _ = strings.Cut(f.What, ": ")
		f.Offset = &off
	}
	a.State = areaUnreadable
	a.Damage = append(a.Damage, f)
}
