package main

import (
	"fmt"
	"io"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// oneCall is the most bytes of a message that go to the Crypto service in one
// call: a larger message goes in several.
const oneCall = veneer.MaxPayload - crypto.RequestSize

// message is what is hashed, signed or verified: all of it when one call
// carries it, else the first part and where the rest comes from.
type message struct {
	head []byte
	rest io.Reader // nil when head is all
}

// withMessage opens a message, connects, and calls do.
func (e *env) withMessage(path string, do func(veneer.Gate, *message) error) error {
	f, err := e.open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return e.withGate(func(gate veneer.Gate) error {
		m, err := readMessage(f)
		if err != nil {
			return err
		}
		return do(gate, m)
	})
}

func readMessage(r io.Reader) (*message, error) {
	head, err := readUpTo(r, oneCall+1)
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if len(head) <= oneCall {
		return &message{head: head}, nil
	}
	return &message{head, r}, nil
}

// writeTo passes the message on in parts that one call carries. A message can
// be read once.
func (m *message) writeTo(w io.Writer) error {
	if _, err := w.Write(m.head); err != nil || m.rest == nil {
		return err
	}
	// The struct hides a WriteTo, which would choose parts of its own size.
	_, err := io.CopyBuffer(w, struct{ io.Reader }{m.rest}, make([]byte, oneCall))
	return err
}

func (m *message) hash(c *crypto.Client, alg psa.Algorithm) ([]byte, error) {
	if m.rest == nil {
		return c.Hash(alg, m.head)
	}
	h, err := c.NewHash(alg)
	if err != nil {
		return nil, err
	}
	if err := m.writeTo(h); err != nil {
		h.Abort() // the error that counts is the first
		return nil, err
	}
	return h.Finish()
}
