// Package veneer is what the two worlds share: the five PSA client calls, the
// handles, identifiers and vectors they carry, and the status codes they
// answer with. It holds no code of either world and imports nothing but the
// standard library.
//
// The names and numbers are those of the Arm Firmware Framework for M 1.1
// (FF-M) and the PSA Certified Status code API 1.0; the values that travel are
// the ones that TF-M's non-secure interface sends, so that a C program and a
// Go program are indistinguishable to the secure world.
//
// The typed clients of the services (packages crypto, its, ps, attestation
// below this one) work over any Gate: the non-secure application's (package
// nspe) and a secure partition's (package spe/service) alike.
package veneer

// FrameworkVersion11 is PSA_FRAMEWORK_VERSION of FF-M 1.1.
const FrameworkVersion11 uint32 = 0x0101

// VersionNone is PSA_VERSION_NONE: the service does not exist, or the caller
// may not use it.
const VersionNone uint32 = 0

// Limits of a call (FF-M 1.1, psa_call).
const (
	// MaxIOVec is PSA_MAX_IOVEC: the most vectors of one call, input and
	// output vectors together.
	MaxIOVec = 4
	// MaxCallType is the largest request type of a call; the smallest is 0,
	// PSA_IPC_CALL.
	MaxCallType = 0x7fff
	// MaxPayload is the most bytes, in either direction, that one call
	// carries: the sum of the input vectors, and the sum of the capacities of
	// the output vectors. It is this implementation's limit, not FF-M's; a
	// larger call answers ErrInsufficientMemory and never reaches the service.
	MaxPayload = 1 << 20
)

// SID is an RoT Service ID.
type SID uint32

// Handle is psa_handle_t: a connection, or a stateless service.
type Handle int32

// NullHandle is PSA_NULL_HANDLE.
const NullHandle Handle = 0

// The bits of a stateless handle, as TF-M lays them out: bit 30 marks it, bits
// 15:8 hold the version that the caller was built against, bits 4:0 the
// service's index, which is the manifest's stateless_handle less one.
const (
	statelessFlag         = 1 << 30
	statelessVersionShift = 8
	statelessVersionMask  = 0xff
	statelessIndexMask    = 0x1f
	statelessBits         = statelessFlag | statelessVersionMask<<statelessVersionShift | statelessIndexMask

	// MaxStatelessServices is how many stateless handles there are.
	MaxStatelessServices = statelessIndexMask + 1
)

// StatelessHandle returns the handle of the stateless service whose manifest
// gives it the number n, 1..MaxStatelessServices, at a version, 1..255.
func StatelessHandle(n int, version uint32) Handle {
	return Handle(statelessFlag | (version&statelessVersionMask)<<statelessVersionShift | uint32(n-1)&statelessIndexMask)
}

// IsStateless reports whether h has the form of a stateless handle. A form with
// bits set outside the three fields is not one.
func (h Handle) IsStateless() bool {
	return h > 0 && h&statelessFlag != 0 && h&^statelessBits == 0
}

// StatelessIndex returns the manifest number, 1..MaxStatelessServices, and the
// version of a stateless handle.
func (h Handle) StatelessIndex() (n int, version uint32) {
	return int(h&statelessIndexMask) + 1, uint32(h) >> statelessVersionShift & statelessVersionMask
}

// InVec is psa_invec: memory that the service reads. The gate copies it before
// the call reaches the service and does not keep it.
type InVec []byte

// OutVec is psa_outvec: memory that the service writes. On entry to a call its
// length is the capacity; on return the gate has re-sliced it to the bytes that
// the service wrote, also when the status is an error. A call that the gate or
// the Secure Partition Manager refuses leaves it as it was.
type OutVec []byte

// Gate is the five PSA client calls (FF-M 1.1, section 3.2): the one way into
// the secure world. Implementations are safe for concurrent use.
type Gate interface {
	// FrameworkVersion is psa_framework_version. A gate that cannot reach the
	// secure world answers 0.
	FrameworkVersion() uint32

	// Version is psa_version: the version of the service, or VersionNone where
	// it is absent, or the caller may not use it.
	Version(sid SID) uint32

	// Connect is psa_connect: a handle larger than 0, or an error of type
	// Status. ErrConnectionRefused: no such service, not for this caller, or
	// not in this version. ErrConnectionBusy: no room for another connection.
	// ErrProgrammerError: the service is stateless.
	Connect(sid SID, version uint32) (Handle, error)

	// Call is psa_call. The request type is 0..MaxCallType; there are at most
	// MaxIOVec vectors in all. The status is the service's own, which may be
	// positive, or the gate's: ErrProgrammerError for a handle, type or vectors
	// that FF-M forbids, ErrInsufficientMemory above MaxPayload,
	// ErrCommunicationFailure when the secure world cannot be reached or went
	// away during the call.
	Call(h Handle, typ int32, in []InVec, out []OutVec) Status

	// Close is psa_close. NullHandle is ignored.
	Close(h Handle)
}

// SessionID names one client's session for as long as the secure world runs:
// one non-secure process on one socket, or one secure partition. Services that
// keep something for a caller until it goes away keep it under this.
type SessionID uint64

// Owner identifies whom a message is from: the client ID that FF-M gives every
// caller, negative for non-secure contexts and positive for secure partitions,
// and the caller's session.
type Owner struct {
	ClientID int32
	Session  SessionID
}

// NonSecure reports whether the owner is in the non-secure world.
func (o Owner) NonSecure() bool { return o.ClientID < 0 }
