// Package spe boots the secure world: it opens a device, powers its emulated
// hardware, starts the partitions over it, and opens the three doors through
// which everybody else reaches them. Nothing else knows partitions and hardware
// at the same time.
//
//	DIR/run/ns.sock     the veneer, for the default non-secure context
//	DIR/run/bus.sock    the bus, with the non-secure attribute
//	DIR/run/debug.sock  the debug port
package spe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"go.uber.org/zap"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/ipc/buslink"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/spe/spm"
	"github.com/postern-spe/postern/veneer"
)

// DefaultClientID is the client ID of the default non-secure context: what TF-M
// gives non-secure code on TrustZone parts.
const DefaultClientID int32 = -0x3c000000

// The sockets of a device, below its directory.
const (
	RunDir     = "run"
	VeneerDoor = "ns.sock"
	BusDoor    = "bus.sock"
	DebugDoor  = "debug.sock"
	socketMode = 0o600
	runDirMode = 0o700
)

// Options is how a secure world is booted. The zero value is the default.
type Options struct {
	// Log takes the secure log; nil discards it.
	Log *zap.Logger
	// OnFault is what becomes of a partition that panics.
	OnFault spm.FaultPolicy
	// BenchEcho adds the echo partition (package partitions/echo).
	BenchEcho bool
	// Program is the program that is the secure world, which attestation
	// measures; nil is the one that runs, where it can be read.
	Program io.ReaderAt
	// Reset is why the processor starts.
	Reset platform.ResetReason
	// OnReset, when not nil, is called on a goroutine of its own when something on
	// the chip resets it: software, the watchdog, a debugger; perhaps once more
	// with platform.EraseAll, which counts then. The secure world is to be closed
	// and booted anew with that reason.
	OnReset func(platform.ResetReason)
	// PowerFailAt lets the power fail when that many words have been programmed,
	// pages erased or UICR words written since the boot began; 0 never.
	// PowerFailSeed decides what the torn cells hold. OnPowerLoss is called, once,
	// on a goroutine of its own, when it has happened: no flash answers any more.
	PowerFailAt, PowerFailSeed uint64
	OnPowerLoss                func()
	// Durable: what has been acknowledged survives the host's losing its power,
	// and not only the death of this process.
	Durable bool
	// BeforeDoors, when not nil, is called when the device is open and the
	// partitions have started, and nobody can reach them yet: the place to give
	// up privileges that are needed no more. An error ends the boot.
	BeforeDoors func() error
}

// World is a secure world that runs.
type World struct {
	log   *zap.Logger
	soc   *platform.SoC
	spm   *spm.SPM
	run   string // the directory of the sockets
	doors []door
	wg    sync.WaitGroup
}

// door is a server on one of the sockets.
type door struct {
	name  string
	serve func() error
	close func() error
}

// Boot boots the device in dir, and returns when its doors are open. A directory
// that is not a sound device, or is in use, gives the errors of platform.Open
// and is left as it was.
func Boot(dir string, o Options) (*World, error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if err := checkPathLength(dir); err != nil {
		return nil, err
	}
	// Measuring the program takes as long as all the rest of the boot.
	measured := make(chan measurement, 1)
	go func() { measured <- measure(o.Program) }()

	soc, err := platform.Open(dir, platform.OpenOptions{
		Reset: o.Reset, OnReset: o.OnReset,
		PowerFailAt: o.PowerFailAt, PowerFailSeed: o.PowerFailSeed, OnPowerLoss: o.OnPowerLoss,
		Durable: o.Durable,
		OnAccessError: func(e platform.AccessError) {
			o.Log.Warn("access blocked", zap.String("by", e.Block), zap.String("event", e.Event), zap.String("at", e.Where()))
		},
	})
	if err != nil {
		return nil, err
	}
	w := &World{log: o.Log, soc: soc, run: filepath.Join(dir, RunDir)}
	if err := w.boot(o, measured); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// checkPathLength refuses a device whose sockets nobody could name.
func checkPathLength(dir string) error {
	if path := filepath.Join(dir, RunDir, DebugDoor); len(path) > ipc.MaxSocketPath {
		return &platform.DeviceError{Path: path, What: fmt.Sprintf("has %d bytes, and the path of a Unix socket at most %d: move the device, or name it by a shorter path", len(path), ipc.MaxSocketPath)}
	}
	return nil
}

func (w *World) boot(o Options, measured <-chan measurement) error {
	if w.Blank() {
		w.log.Warn("the device is blank: there is no secure world to boot, only the debug port answers")
	} else if err := w.start(o, measured); err != nil {
		return err
	}
	if err := w.clearRunDir(); err != nil {
		return err
	}
	if o.BeforeDoors != nil {
		if err := o.BeforeDoors(); err != nil {
			return err
		}
	}
	return w.open()
}

// start starts the partitions.
func (w *World) start(o Options, measured <-chan measurement) error {
	if err := w.soc.Boot(); err != nil {
		return err
	}
	parts, err := partitions(w.soc, w.log, measured, o.BenchEcho)
	if err != nil {
		return err
	}
	w.spm, err = spm.New(spm.Config{
		Log: w.log, Partitions: parts, OnFault: o.OnFault, Lifecycle: w.soc.Lifecycle,
	})
	if err != nil {
		return err
	}
	return w.spm.Start()
}

// open makes the sockets and serves them. A blank device runs no code, secure or
// not: only a debugger finds something there.
func (w *World) open() error {
	if !w.Blank() {
		if err := w.openVeneer(); err != nil {
			return err
		}
		if err := w.openLink(BusDoor, nonSecureBus{w.soc}); err != nil {
			return err
		}
	}
	if err := w.openLink(DebugDoor, debugPort{w.soc}); err != nil {
		return err
	}
	for _, d := range w.doors {
		w.wg.Go(func() {
			if err := d.serve(); err != nil && !errors.Is(err, buslink.ErrServerClosed) {
				w.log.Error("door closed", zap.String("door", d.name), zap.Error(err))
			}
		})
	}
	return nil
}

func (w *World) openVeneer() error {
	l, err := w.listen(VeneerDoor)
	if err != nil {
		return err
	}
	s, err := ipc.NewServer(l, &context{w.spm, DefaultClientID}, ipc.DefaultLimits, w.logEvent)
	if err != nil {
		l.Close()
		return err
	}
	w.doors = append(w.doors, door{VeneerDoor, s.Serve, s.Close})
	return nil
}

func (w *World) openLink(name string, target buslink.Target) error {
	l, err := w.listen(name)
	if err != nil {
		return err
	}
	s := buslink.NewServer(target, func(err error) {
		w.log.Warn("connection dropped", zap.String("door", name), zap.Error(err))
	})
	w.doors = append(w.doors, door{name, func() error { return s.Serve(l) }, s.Close})
	return nil
}

// clearRunDir makes the directory of the sockets, and removes those that a
// secure world that was killed has left. Whoever holds the device's lock knows
// that nobody listens on them.
func (w *World) clearRunDir() error {
	if err := os.Mkdir(w.run, runDirMode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	fi, err := os.Lstat(w.run)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return &platform.DeviceError{Path: w.run, What: "is not a directory"}
	}
	if err := os.Chmod(w.run, runDirMode); err != nil {
		return err
	}
	for _, name := range []string{VeneerDoor, BusDoor, DebugDoor} {
		path := filepath.Join(w.run, name)
		fi, err := os.Lstat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if fi.Mode().Type() != os.ModeSocket {
			return &platform.DeviceError{Path: path, What: "is not a socket"}
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) listen(name string) (*net.UnixListener, error) {
	path := filepath.Join(w.run, name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Socket returns the path of the veneer's socket.
func (w *World) Socket() string { return filepath.Join(w.run, VeneerDoor) }

// Session starts the session of a non-secure caller inside this process, without
// a socket: for tests and benchmarks of what lies behind the gate.
func (w *World) Session() (*spm.Session, error) { return w.spm.OpenSession(DefaultClientID) }

// Board returns the name of the device's board.
func (w *World) Board() string { return w.soc.Board.Name }

// KeyMemory returns what kind of memory the values of the key slots are in.
func (w *World) KeyMemory() string { return w.soc.KeyMemory() }

// Blank reports whether the device has been wiped, and has no secure world.
func (w *World) Blank() bool { return w.soc.Blank }

// BusSocket returns the path of the bus door's socket.
func (w *World) BusSocket() string { return filepath.Join(w.run, BusDoor) }

// DebugSocket returns the path of the debug port's socket.
func (w *World) DebugSocket() string { return filepath.Join(w.run, DebugDoor) }

// Close ends the secure world: the doors first, then the partitions, then the
// power. Calls under way are answered.
func (w *World) Close() error {
	var errs []error
	for _, d := range w.doors {
		if err := d.close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.name, err))
		}
	}
	w.wg.Wait()
	if w.spm != nil {
		w.spm.Stop()
	}
	return errors.Join(append(errs, w.soc.Close())...)
}

// logEvent writes what the veneer's server saw to the secure log.
func (w *World) logEvent(e ipc.Event) {
	log := w.log.Warn
	if e.Kind == ipc.SessionOpened || e.Kind == ipc.SessionEnded {
		log = w.log.Info
	}
	fields := []zap.Field{zap.Int32("pid", e.Peer.PID), zap.Uint32("uid", e.Peer.UID)}
	if e.Err != nil {
		fields = append(fields, zap.Error(e.Err))
	}
	log(string(e.Kind), fields...)
}

// context is a non-secure context: a socket, and the client ID of those on it.
type context struct {
	spm      *spm.SPM
	clientID int32
}

// Open admits the user that the secure world runs as, and root, who could be
// that user. The socket's mode says the same; this holds when it is changed.
func (c *context) Open(p ipc.Peer) (ipc.Session, error) {
	if p.UID != uint32(os.Geteuid()) && p.UID != 0 {
		return nil, fmt.Errorf("user %d: %w", p.UID, veneer.ErrConnectionRefused)
	}
	return c.spm.OpenSession(c.clientID)
}
