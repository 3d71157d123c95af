package crypto

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// MaxHashSize is the largest hash in bytes.
const MaxHashSize = 64

// maxInput is the most bytes that one call carries beside the request block.
const maxInput = veneer.MaxPayload - RequestSize

// Hash returns the hash of data, of any length (psa_hash_compute).
// veneer.ErrNotSupported: no such hash algorithm.
func (c *Client) Hash(alg psa.Algorithm, data []byte) ([]byte, error) {
	dst := make([]byte, MaxHashSize)
	n, err := c.HashInto(dst, alg, data)
	if err != nil {
		return nil, err
	}
	return dst[:n:n], nil
}

// HashInto writes the hash of data to dst and returns its size in bytes. Data
// that one call does not carry goes in several.
// veneer.ErrBufferTooSmall: dst is shorter than the hash.
func (c *Client) HashInto(dst []byte, alg psa.Algorithm, data []byte) (int, error) {
	if len(data) > maxInput {
		h, err := c.NewHash(alg)
		if err != nil {
			return 0, err
		}
		defer h.Abort()
		if _, err := h.Write(data); err != nil {
			return 0, err
		}
		return h.finish(HashFinish, nil, dst)
	}
	r := c.begin(HashCompute)
	r.Alg = alg
	r.send(data)
	return c.fill(r, dst)
}

// CompareHash checks that hash is the hash of data (psa_hash_compare), without
// telling by time how much of it is. veneer.ErrInvalidSignature: it is not.
func (c *Client) CompareHash(alg psa.Algorithm, data, hash []byte) error {
	r := c.begin(HashCompare)
	r.Alg = alg
	r.send(data)
	r.send(hash)
	return c.simple(r)
}

// Hash is a multipart hash (psa_hash_operation_t): an io.Writer of the message.
// After an error only Abort is of use. A Hash is used by one goroutine at a
// time.
type Hash struct{ operation }

// NewHash starts a multipart hash (psa_hash_setup). It holds memory of the
// secure world until Finish, Verify or Abort.
func (c *Client) NewHash(alg psa.Algorithm) (*Hash, error) {
	h := &Hash{operation{c: c}}
	if err := h.setup(HashSetup, psa.NullKey, alg); err != nil {
		return nil, err
	}
	return h, nil
}

// Write adds p to the message (psa_hash_update).
func (h *Hash) Write(p []byte) (int, error) {
	if err := h.update(HashUpdate, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Clone returns a second operation at the same point (psa_hash_clone).
func (h *Hash) Clone() (*Hash, error) {
	r := h.begin(HashClone)
	binary.LittleEndian.PutUint32(r.fixed[:], 0) // the target is inactive
	r.send(r.fixed[:4])
	handle, err := h.c.number(r)
	if err != nil {
		return nil, err
	}
	return &Hash{operation{h.c, handle}}, nil
}

// Finish returns the hash and ends the operation (psa_hash_finish).
func (h *Hash) Finish() ([]byte, error) {
	dst := make([]byte, MaxHashSize)
	n, err := h.finish(HashFinish, nil, dst)
	if err != nil {
		return nil, err
	}
	return dst[:n:n], nil
}

// Verify checks the message against hash and ends the operation
// (psa_hash_verify). veneer.ErrInvalidSignature: they differ.
func (h *Hash) Verify(hash []byte) error {
	_, err := h.finish(HashVerify, hash, nil)
	return err
}

// Abort ends the operation; it may be called at any time.
func (h *Hash) Abort() error { return h.abort(HashAbort) }
