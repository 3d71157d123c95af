package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/nspe"
	"github.com/postern-spe/postern/veneer"
)

// env is the world outside as a command sees it. Raw data goes to stdout and
// nothing else does unless it was asked for; words go to stderr through say.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	// connect reaches the secure world at a socket; close ends the session.
	connect func(path string) (gate veneer.Gate, close func() error, err error)

	socket string // --socket
}

func newEnv() *env {
	return &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv,
		connect: func(path string) (veneer.Gate, func() error, error) {
			c, err := nspe.Connect(path)
			// `spe run DIR &` and the first command are often in one paste.
			for began := time.Now(); err != nil && starting(path, err) && time.Since(began) < patience; {
				time.Sleep(patience / 50)
				c, err = nspe.Connect(path)
			}
			if err != nil {
				return nil, nil, err
			}
			return c, c.Disconnect, nil
		},
	}
}

// patience is how long a secure world that may be starting is waited for.
const patience = time.Second

// starting reports whether a secure world may be about to open the socket: it is
// of a device, and nobody listens there yet, on no socket or on one that an
// earlier world has left. A blank one, whose debug port is alone, never will.
func starting(path string, err error) bool {
	run := filepath.Dir(path)
	if !exists(filepath.Join(filepath.Dir(run), "device.json")) {
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, fs.ErrNotExist) && !exists(filepath.Join(run, "debug.sock"))
}

// say writes one line of words.
func (e *env) say(format string, args ...any) {
	fmt.Fprintf(e.stderr, "psa: "+format+"\n", args...)
}

// socketPath returns where the secure world's socket is said to be.
func (e *env) socketPath() (string, error) {
	path := e.socket
	if path == "" {
		path = e.getenv(nspe.SocketVariable)
	}
	if path == "" {
		return "", hint(errors.New("no socket of a secure world given"),
			"start one with `spe run DIR`, then set %s=DIR/run/ns.sock or pass --socket", nspe.SocketVariable)
	}
	if len(path) > ipc.MaxSocketPath {
		return "", hint(fmt.Errorf("the path of the socket has %d bytes, and the system takes %d: %s", len(path), ipc.MaxSocketPath, path),
			"a path relative to the current directory is shorter, and so is a device in a directory further up")
	}
	return path, nil
}

// withGate connects, calls do, and disconnects: one command is one session.
func (e *env) withGate(do func(veneer.Gate) error) (err error) {
	path, err := e.socketPath()
	if err != nil {
		return err
	}
	gate, disconnect, err := e.connect(path)
	if err != nil {
		return &connectError{path, err}
	}
	defer func() {
		if closeErr := disconnect(); err == nil && closeErr != nil {
			err = fmt.Errorf("disconnect: %w", closeErr)
		}
	}()
	return do(gate)
}

// printJSON writes v as one line.
func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
