// Package nspe is the non-secure side's own: the connection to the secure world
// for Go programs, and below it the drivers and libraries that only non-secure
// code has.
//
//	conn, err := nspe.Connect("")
//	if err != nil { ... }
//	defer conn.Disconnect()
//	key, err := crypto.New(conn).Generate(attributes)
//
// The typed clients of the services are in packages crypto, its, ps and
// attestation of the veneer.
package nspe

import (
	"errors"
	"fmt"
	"os"

	"github.com/postern-spe/postern/ipc"
)

// SocketVariable is the environment variable that names the veneer's socket of
// the secure world to use: DIR/run/ns.sock of a device that `spe run DIR` runs.
const SocketVariable = "POSTERN_SOCKET"

// Conn is a connection to the secure world: a veneer.Gate. It is safe for
// concurrent use. A program needs one; all connections of a process to the same
// socket share one session, which ends with the process or with the last
// Disconnect.
//
// When the secure world restarts, the call under way answers
// veneer.ErrCommunicationFailure and later calls reach the new one, in which
// the old one's connection handles, multipart operations and volatile keys are
// gone.
type Conn struct{ *ipc.Client }

// Connect connects to the secure world whose veneer socket is at path, or, where
// path is empty, at the place that POSTERN_SOCKET names.
func Connect(path string) (*Conn, error) {
	if path == "" {
		path = os.Getenv(SocketVariable)
	}
	if path == "" {
		return nil, ErrNoSocket
	}
	c, err := ipc.Dial(path)
	if err != nil {
		return nil, fmt.Errorf("connect to the secure world: %w", err)
	}
	return &Conn{c}, nil
}

// ErrNoSocket is what Connect returns when it is not told which socket.
var ErrNoSocket = errors.New("no socket given and " + SocketVariable + " is not set")
