// Package attestation is the contract of the Initial Attestation service, byte
// for byte that of TF-M's non-secure interface (TF-M 2.3,
// tfm_attest_defs.h), and its typed client over any veneer.Gate.
//
// A token is Evidence in the sense of RFC 9334: a signed statement of the
// device about itself, fresh because it repeats the caller's challenge. What it
// says is RFC 9783's; package nspe/token reads it.
//
// Every error is a veneer.Status, so that errors.Is(err,
// veneer.ErrInvalidArgument) holds; an answer that is not of the form the
// contract gives is veneer.ErrCommunicationFailure. A Client keeps nothing and is
// safe for concurrent use.
package attestation

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/postern-spe/postern/veneer"
)

// The service, as its manifest declares it: stateless, version 1 and no other.
const (
	SID     veneer.SID    = 0x00000020
	Version uint32        = 1
	Handle  veneer.Handle = 0x40000103
)

// The types of calls.
const (
	// CallToken has the challenge as input vector 0 and the token as output
	// vector 0.
	CallToken int32 = 1001
	// CallTokenSize has the size of a challenge, u32, as input vector 0 and the
	// size of the token, u32, as output vector 0.
	CallTokenSize int32 = 1002
)

// The sizes of a challenge in bytes
// (PSA_INITIAL_ATTEST_CHALLENGE_SIZE_32, _48 and _64).
const (
	ChallengeSize32 = 32
	ChallengeSize48 = 48
	ChallengeSize64 = 64
)

// MaxTokenSize is the largest token in bytes
// (PSA_INITIAL_ATTEST_MAX_TOKEN_SIZE as TF-M sets it): C programs reserve that
// much when they are compiled.
const MaxTokenSize = 0x250

// ValidChallengeSize reports whether n is one of the three sizes in bytes that a
// challenge can have.
func ValidChallengeSize(n int) bool {
	return n == ChallengeSize32 || n == ChallengeSize48 || n == ChallengeSize64
}

// Client calls the Initial Attestation service through a gate.
type Client struct{ gate veneer.Gate }

// New returns a client over g.
func New(g veneer.Gate) *Client { return &Client{g} }

// Token returns a token for the challenge (psa_initial_attest_get_token): 32, 48
// or 64 bytes, which the token repeats and the caller does not use again.
//
// veneer.ErrInvalidArgument: the challenge is of another size.
// veneer.ErrGenericError: a claim cannot be had, or the identity key is missing.
// veneer.ErrServiceFailure: the service is not ready.
func (c *Client) Token(challenge []byte) ([]byte, error) {
	buf := make([]byte, MaxTokenSize)
	n, err := c.TokenInto(buf, challenge)
	if errors.Is(err, veneer.ErrBufferTooSmall) {
		// A secure world that was built for larger tokens says how large.
		if n, err = c.TokenSize(len(challenge)); err != nil {
			return nil, err
		}
		if n > veneer.MaxPayload {
			return nil, veneer.ErrCommunicationFailure
		}
		buf = make([]byte, n)
		n, err = c.TokenInto(buf, challenge)
	}
	if err != nil {
		return nil, err
	}
	return buf[:n:n], nil
}

// TokenInto writes a token for the challenge to dst and returns its size in
// bytes. On an error it returns 0 and dst is as it was.
//
// veneer.ErrInvalidArgument: the challenge is not of 32, 48 or 64 bytes, or dst
// is empty. veneer.ErrBufferTooSmall: dst is shorter than the token.
func (c *Client) TokenInto(dst, challenge []byte) (int, error) {
	in := [...]veneer.InVec{challenge}
	out := [...]veneer.OutVec{dst}
	if err := c.gate.Call(Handle, CallToken, in[:], out[:]).Err(); err != nil {
		return 0, err
	}
	if n := len(out[0]); n > 0 && n <= len(dst) {
		return n, nil
	}
	return 0, veneer.ErrCommunicationFailure
}

// TokenSize returns the exact size in bytes of this caller's token for a
// challenge of the given size (psa_initial_attest_get_token_size).
// veneer.ErrInvalidArgument: it is not 32, 48 or 64.
func (c *Client) TokenSize(challengeSize int) (int, error) {
	if challengeSize < 0 || uint64(challengeSize) > math.MaxUint32 {
		return 0, veneer.ErrInvalidArgument
	}
	var question, answer [4]byte
	binary.LittleEndian.PutUint32(question[:], uint32(challengeSize))
	in := [...]veneer.InVec{question[:]}
	out := [...]veneer.OutVec{answer[:]}
	if err := c.gate.Call(Handle, CallTokenSize, in[:], out[:]).Err(); err != nil {
		return 0, err
	}
	size := binary.LittleEndian.Uint32(answer[:])
	if len(out[0]) != len(answer) || size > math.MaxInt32 {
		return 0, veneer.ErrCommunicationFailure
	}
	return int(size), nil
}
