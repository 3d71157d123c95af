package platform

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/bus"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/platform/kmu54l"
	"github.com/postern-spe/postern/platform/power"
	"github.com/postern-spe/postern/platform/uicr"
)

// Inspect looks at the device in dir, which may be open: it takes no lock and
// changes no file. What there is to say about rights it finds out by booting a
// copy of the device in memory; see replicate. A directory that is not a sound
// device gives a *DeviceError, as Open does.
//
// Key values are in secret memory for as long as Inspect runs, and nowhere in
// what it returns.
func Inspect(dir string) (*Report, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	user, err := d.user()
	if err != nil {
		return nil, err
	}
	// Copied while somebody writes, a record may be torn in the copy alone. It
	// is not the next time, or it is torn indeed.
	const attempts = 3
	for n := 1; ; n++ {
		r, err := d.inspect()
		if err == nil {
			r.UsedBy = user
			return r, nil
		}
		if user == 0 || n == attempts {
			return nil, err
		}
	}
}

// inspect makes the report from a copy.
func (d *directory) inspect() (_ *Report, err error) {
	s, r, err := d.look()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if r.Lifecycle != LifecycleErasing && r.Lifecycle != LifecycleBlank {
		if r.Counters, err = s.reportCounters(); err != nil {
			return nil, err
		}
		if err := s.Boot(); err != nil {
			return nil, err
		}
	}
	s.reportRights(r)
	if r.Slots, err = s.reportSlots(); err != nil {
		return nil, err
	}
	r.Debug, err = s.reportDebug()
	return r, err
}

// look puts a SoC together from a copy of the device, with what the named areas
// hold, and reports what there is to say of one that has not booted.
func (d *directory) look(areas ...string) (*SoC, *Report, error) {
	desc, b, err := d.description()
	if err != nil {
		return nil, nil, err
	}
	pub, err := d.publicKey()
	if err != nil {
		return nil, nil, err
	}
	im, err := d.replicate(b, areas)
	if err != nil {
		return nil, nil, err
	}
	s, err := assemble(b, desc, im, new(power.Supply), OpenOptions{})
	if err != nil {
		return nil, nil, err
	}
	r := &Report{Board: b.Name, ID: s.ID, Created: s.Created, KeyHardware: b.KeyHardware, ITS: desc.ITS}
	// What has worn and what is used comes first: from here on the copy is
	// used, and wears.
	err = d.survey(s, r)
	switch {
	case err != nil:
	case d.erasing():
		r.Lifecycle = LifecycleErasing
	case s.Blank:
		r.Lifecycle = LifecycleBlank
	default:
		if err = d.plausible(s, pub); err == nil {
			r.Lifecycle = lifecycleName(s.Lifecycle())
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, r, nil
}

func lifecycleName(state uint32) string {
	switch state {
	case LifecycleAssemblyAndTest:
		return "assembly and test"
	case LifecycleProvisioning:
		return "PSA RoT provisioning"
	case LifecycleSecured:
		return "secured"
	case LifecycleDecommissioned:
		return "decommissioned"
	}
	return "unknown"
}

func (s *SoC) reportCounters() ([]CounterReport, error) {
	area, err := s.Area(board.NVCounters)
	if err != nil {
		return nil, err
	}
	c, err := counters.Open(area)
	if err != nil {
		return nil, err
	}
	var list []CounterReport
	for id := range counters.ID(counters.Count) {
		v, err := c.Read(id)
		if err != nil {
			return nil, err
		}
		list = append(list, CounterReport{id.String(), v})
	}
	return list, nil
}

func (s *SoC) reportSlots() (SlotsReport, error) {
	r := SlotsReport{Total: uicr.Slots, Used: []SlotReport{}}
	if s.Board.KeyHardware == board.CRACEN {
		r.Total = kmu54l.Slots
	}
	list, err := s.blocks.keySlots.list()
	for _, slot := range list {
		r.Used = append(r.Used, SlotReport(slot))
	}
	return r, err
}

func (s *SoC) reportDebug() (DebugReport, error) {
	r := DebugReport{Policy: s.debug, Port: PortClosed}
	var errs [3]error
	r.APProtect, errs[0] = s.uicr.APProtected()
	r.SecureAPProtect, errs[1] = s.uicr.SecureAPProtected()
	r.EraseProtect, errs[2] = s.uicr.EraseProtected()
	if from, open := s.CtrlAP.MemoryAccess(); open && from.Attr == bus.Secure {
		r.Port = PortOpen
	} else if open {
		r.Port = PortNonSecure
	}
	return r, errors.Join(errs[:]...)
}

// user returns the process that has the device open, 0 if there is none, as the
// kernel's list of locks says: to try the lock would be to take it. A process in
// another PID namespace is not seen.
func (d *directory) user() (int, error) {
	f, err := d.open(lockFile, unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, d.explain(lockFile, err)
	}
	defer f.Close()
	if err := d.check(f, lockFile, false); err != nil {
		return 0, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, fmt.Errorf("platform: %s: %w", d.path(lockFile), err)
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0, nil // nobody can say
	}
	defer locks.Close()
	return lockHolder(locks, st.Ino, unix.Major(st.Dev), unix.Minor(st.Dev), holder(f)), nil
}

// lockHolder finds who holds the flock(2) of a file in the kernel's list, lines
// such as
//
//	1: FLOCK  ADVISORY  WRITE 708 fe:00:9977979 0 EOF
//
// Some file systems show another device number here than to stat(2): there the
// file is known by the process ID that it contains.
func lockHolder(locks io.Reader, inode uint64, major, minor uint32, pid int) int {
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		var n, owner int
		var kind, how, what string
		var maj, min uint32
		var ino uint64
		// A process that waits for a lock has an arrow in its line, which this
		// does not match.
		if _, err := fmt.Sscanf(lines.Text(), "%d: %s %s %s %d %x:%x:%d", &n, &kind, &how, &what, &owner, &maj, &min, &ino); err != nil {
			continue
		}
		if kind == "FLOCK" && ino == inode && (maj == major && min == minor || owner == pid) {
			return owner
		}
	}
	return 0
}
