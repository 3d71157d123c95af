package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/nspe"
	"github.com/postern-spe/postern/nspe/debugport"
	"github.com/postern-spe/postern/nspe/flash"
)

// door is one of a device's doors beside the veneer: its socket lies next to the
// veneer's.
type door struct {
	flag   string // that names the socket
	socket string // what the socket is called
	path   string // the flag's value
}

func busDoor() *door   { return &door{flag: "bus", socket: "bus.sock"} }
func debugDoor() *door { return &door{flag: "debug", socket: "debug.sock"} }

// usage is the help of the flag.
func (d *door) usage() string {
	return fmt.Sprintf("`socket` of the device's %s door (default %s beside the veneer's)", d.flag, d.socket)
}

// find returns where the door's socket is said to be.
func (d *door) find(e *env) (string, error) {
	path := d.path
	if path == "" {
		veneer := e.socket
		if veneer == "" {
			veneer = e.getenv(nspe.SocketVariable)
		}
		if veneer == "" {
			return "", hint(errors.New("no socket of a secure world given"),
				"start one with `spe run DIR`, then set %s=DIR/run/ns.sock or pass --%s DIR/run/%s", nspe.SocketVariable, d.flag, d.socket)
		}
		path = filepath.Join(filepath.Dir(veneer), d.socket)
	}
	if len(path) > ipc.MaxSocketPath {
		return "", hint(fmt.Errorf("the path of the socket has %d bytes, and the system takes %d: %s", len(path), ipc.MaxSocketPath, path),
			"a path relative to the current directory is shorter, and so is a device in a directory further up")
	}
	return path, nil
}

// withBus connects to the bus door, calls do, and disconnects.
func (d *door) withBus(e *env, do func(*flash.Flash) error) error {
	path, err := d.find(e)
	if err != nil {
		return err
	}
	f, err := flash.Open(path)
	if err != nil {
		return &connectError{path, err}
	}
	defer f.Close()
	return adviseOnFault(do(f))
}

// withPort connects to the debug door, calls do, and disconnects.
func (d *door) withPort(e *env, do func(*debugport.Port) error) error {
	path, err := d.find(e)
	if err != nil {
		return err
	}
	p, err := debugport.Open(path)
	if err != nil {
		return &connectError{path, err}
	}
	defer p.Close()
	return adviseOnFault(do(p))
}

// adviseOnFault adds advice to what the hardware refuses.
func adviseOnFault(err error) error {
	var fault *flash.FaultError
	switch {
	case errors.As(err, &fault) && fault.Kind == flash.SecureFault:
		return hint(err, "the address is the secure world's; `spe inspect DIR` shows the map")
	case errors.Is(err, debugport.ErrProtected), errors.Is(err, debugport.ErrStillProtected):
		return hint(err, "`psa debug unlock KEY` opens it on a device provisioned with --debug unlock; `psa debug eraseall` does on every device, and wipes it")
	}
	return err
}
