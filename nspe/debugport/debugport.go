// Package debugport is a debug probe on the connector of a device: what can be
// done through the debug port of a running secure world by who holds the board
// in his hand. That is the CTRL-AP, which is always open (protection status,
// ERASEALL, reset, keys, mailbox), and the memory access port, for as long as
// AP-Protect leaves it open. What memory it shows is for the device to say: all of it,
// or, with the secure access port closed, what is non-secure.
//
// A reset of the device ends the connection, as a probe loses its target; Reset
// and EraseAll wait for the device and connect again.
//
// Nothing here is a wall. The walls are on the other side of the socket.
package debugport

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/postern-spe/postern/ipc/buslink"
)

// ErrProtected is an access port that AP-Protect keeps closed.
var ErrProtected = errors.New("the access port is closed by AP-Protect")

// FaultError is an access that the device refused although the port is open.
type FaultError struct {
	Outcome buslink.Outcome // SecureFault or BusFault
	AP      uint8
	Addr    uint32
	Access  buslink.Op
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("%v: debugger %v at 0x%08x of access port %d", e.Outcome, e.Access, e.Addr, e.AP)
}

// Port is a connection to a device's debug port. It is safe for concurrent use;
// accesses during Reset and EraseAll fail.
type Port struct {
	path  string
	board *Board

	mu     sync.Mutex // held to look at or change what follows
	client *buslink.Client
	closed bool
}

// Open connects to the debug port of a device, DIR/run/debug.sock. A board that
// Boards does not have is an *UnknownBoardError.
func Open(socketPath string) (*Port, error) {
	c, err := buslink.Dial(socketPath)
	if err != nil {
		return nil, err
	}
	board := boardOf(c.Board())
	if board == nil {
		c.Close()
		return nil, &UnknownBoardError{c.Board()}
	}
	return &Port{path: socketPath, board: board, client: c}, nil
}

// Close ends the connection.
func (p *Port) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return p.client.Close()
}

// Board returns what is behind the port.
func (p *Port) Board() Board { return *p.board }

func (p *Port) connection() *buslink.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client
}

// Memory returns the access port to memory.
func (p *Port) Memory() *AccessPort { return p.AccessPort(p.board.MemoryAP) }

// AccessPort returns the access port of a number. Whether the device has it
// shows when it is used.
func (p *Port) AccessPort(number uint8) *AccessPort { return &AccessPort{p, number} }

// ReadRegister reads a register of the CTRL-AP, or returns a *NoRegisterError.
func (p *Port) ReadRegister(r Register) (uint32, error) {
	off, ok := p.board.Registers[r]
	if !ok {
		return 0, &NoRegisterError{p.board.Name, r}
	}
	return p.AccessPort(p.board.CtrlAP).Load(off, wordWidth)
}

// WriteRegister writes a register of the CTRL-AP, or returns a *NoRegisterError.
func (p *Port) WriteRegister(r Register, v uint32) error {
	off, ok := p.board.Registers[r]
	if !ok {
		return &NoRegisterError{p.board.Name, r}
	}
	return p.AccessPort(p.board.CtrlAP).Store(off, wordWidth, v)
}

// wordWidth is the bytes of a register.
const wordWidth = 4

// AccessPort is one of the ports behind the debug port. What it refuses is a
// *FaultError, or ErrProtected.
type AccessPort struct {
	port   *Port
	number uint8
}

var _ io.ReaderAt = (*AccessPort)(nil)

// Load reads width bytes (1, 2 or 4) at addr, a multiple of width.
func (a *AccessPort) Load(addr uint32, width int) (uint32, error) {
	v, o, err := a.port.connection().Load(a.number, addr, width)
	return v, a.outcome(o, err, buslink.Load, addr)
}

// Store writes the low width bytes (1, 2 or 4) of v at addr, a multiple of width.
func (a *AccessPort) Store(addr uint32, width int, v uint32) error {
	o, err := a.port.connection().Store(a.number, addr, width, v)
	return a.outcome(o, err, buslink.Store, addr)
}

// ReadAt fills p from address off on, 4 KiB at a time: io.ReaderAt. On an error
// the block that holds the refused address is zero in p, and n counts the bytes
// of the blocks before it.
func (a *AccessPort) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > math.MaxUint32 || int64(len(p)) > math.MaxUint32+1-off {
		return 0, fmt.Errorf("debug port: %d bytes from 0x%x on are not in the address space", len(p), off)
	}
	for n < len(p) {
		block := p[n:min(len(p), n+buslink.MaxBlock)]
		at, o, err := a.port.connection().ReadBlock(a.number, uint32(off)+uint32(n), block)
		if err := a.outcome(o, err, buslink.Block, at); err != nil {
			return n, err
		}
		n += len(block)
	}
	return n, nil
}

func (a *AccessPort) outcome(o buslink.Outcome, err error, access buslink.Op, addr uint32) error {
	switch {
	case err != nil && isOther(err):
		return err
	case err != nil:
		return goneError{err}
	case o == buslink.OK:
		return nil
	case o == buslink.Protected:
		return ErrProtected
	case o == buslink.SecureFault || o == buslink.BusFault:
		return &FaultError{o, a.number, addr, access}
	}
	return fmt.Errorf("debug port: the device answers %v", o)
}
