// Package storage is what the clients of the two storage services share: the
// message types and layouts of TF-M's Internal Trusted Storage and Protected
// Storage, which are the same but for a handle (TF-M 2.3,
// interface/src/tfm_its_api.c and tfm_ps_api.c; PSA Secure Storage API 1.0), and
// those of the two functions of Protected Storage that TF-M has no calls for.
// Packages veneer/its and veneer/ps put it in words.
package storage

import (
	"encoding/binary"
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// UID is psa_storage_uid_t.
type UID uint64

// Info is struct psa_storage_info_t.
type Info struct {
	Capacity uint32 // bytes reserved for the asset
	Size     uint32 // bytes of the asset
	Flags    psa.StorageFlags
}

// The message types.
const (
	CallSet     int32 = 1001
	CallGet     int32 = 1002
	CallGetInfo int32 = 1003
	CallRemove  int32 = 1004
	// Of Protected Storage alone.
	CallGetSupport  int32 = 1005
	CallCreate      int32 = 0x4000
	CallSetExtended int32 = 0x4001
)

// Sizes in bytes of what travels in vectors.
const (
	UIDSize  = 8
	WordSize = 4 // create flags, offset, capacity, support bits
	InfoSize = 12
)

// largest is how many bytes a call of SetExtended carries. No asset has more, as the
// service, too, keeps each one with a call of its own.
const largest = veneer.MaxPayload - UIDSize - WordSize

// AppendTo appends the wire form to b, little-endian: 0 capacity u32 | 4 size u32
// | 8 flags u32.
func (i *Info) AppendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, i.Capacity)
	b = binary.LittleEndian.AppendUint32(b, i.Size)
	return binary.LittleEndian.AppendUint32(b, uint32(i.Flags))
}

// parseInfo is the inverse of AppendTo.
func parseInfo(b []byte) (Info, bool) {
	if len(b) != InfoSize {
		return Info{}, false
	}
	return Info{
		Capacity: binary.LittleEndian.Uint32(b),
		Size:     binary.LittleEndian.Uint32(b[4:]),
		Flags:    psa.StorageFlags(binary.LittleEndian.Uint32(b[8:])),
	}, true
}

// Client makes the calls of one storage service. It is safe for concurrent use.
type Client struct {
	gate   veneer.Gate
	handle veneer.Handle
	calls  sync.Pool
}

// NewClient returns a client of the service behind a handle.
func NewClient(g veneer.Gate, h veneer.Handle) *Client {
	return &Client{gate: g, handle: h, calls: sync.Pool{New: func() any { return new(call) }}}
}

// call is the memory of one call: what is passed to a Gate may be moved to the
// heap, so it is kept and used again.
type call struct {
	uid    [UIDSize]byte
	word   [WordSize]byte
	flags  [WordSize]byte
	answer [InfoSize]byte
	in     [3]veneer.InVec
	out    [1]veneer.OutVec
}

func (c *Client) begin(uid UID) *call {
	r := c.calls.Get().(*call)
	binary.LittleEndian.PutUint64(r.uid[:], uint64(uid))
	r.in[0] = r.uid[:]
	return r
}

// end returns the call to the pool. Nothing of the caller's stays referenced.
func (c *Client) end(r *call) {
	clear(r.in[:])
	clear(r.out[:])
	c.calls.Put(r)
}

func (c *Client) do(r *call, typ int32, in, out int) error {
	return c.gate.Call(c.handle, typ, r.in[:in], r.out[:out]).Err()
}

// Set is psa_its_set and psa_ps_set.
func (c *Client) Set(uid UID, data []byte, flags psa.StorageFlags) error {
	r := c.begin(uid)
	binary.LittleEndian.PutUint32(r.flags[:], uint32(flags))
	r.in[1], r.in[2] = data, r.flags[:]
	err := c.do(r, CallSet, 3, 0)
	c.end(r)
	return err
}

// Get is psa_its_get and psa_ps_get.
func (c *Client) Get(uid UID, offset uint32, buf []byte) (int, error) {
	r := c.begin(uid)
	binary.LittleEndian.PutUint32(r.word[:], offset)
	r.in[1], r.out[0] = r.word[:], buf
	err := c.do(r, CallGet, 2, 1)
	n := min(len(r.out[0]), len(buf)) // a gate that claims more is not believed
	c.end(r)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// ReadAll returns all of an asset, as it was at one moment.
func (c *Client) ReadAll(uid UID) ([]byte, error) {
	info, err := c.Info(uid)
	for err == nil {
		if info.Size >= veneer.MaxPayload {
			return nil, veneer.ErrInsufficientMemory
		}
		buf := make([]byte, info.Size+1)
		var n int
		if n, err = c.Get(uid, 0, buf); err == nil && n < len(buf) {
			return buf[:n:n], nil
		}
		clear(buf)
		if err == nil {
			// A full buffer means that the asset has grown since.
			info, err = c.Info(uid)
		}
	}
	return nil, err
}

// Info is psa_its_get_info and psa_ps_get_info.
func (c *Client) Info(uid UID) (Info, error) {
	r := c.begin(uid)
	r.out[0] = r.answer[:]
	err := c.do(r, CallGetInfo, 1, 1)
	info, ok := Info{}, true
	if err == nil {
		info, ok = parseInfo(r.answer[:min(len(r.out[0]), InfoSize)])
	}
	c.end(r)
	if !ok {
		return Info{}, veneer.ErrCommunicationFailure
	}
	return info, err
}

// Remove is psa_its_remove and psa_ps_remove.
func (c *Client) Remove(uid UID) error {
	r := c.begin(uid)
	err := c.do(r, CallRemove, 1, 0)
	c.end(r)
	return err
}

// List makes a call of some type that takes a uid and fills buf, and returns how
// many bytes came: see package veneer/its.
func (c *Client) List(typ int32, after UID, buf []byte) (int, error) {
	r := c.begin(after)
	r.out[0] = buf
	err := c.do(r, typ, 1, 1)
	n := min(len(r.out[0]), len(buf))
	c.end(r)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Create is psa_ps_create.
func (c *Client) Create(uid UID, capacity uint32, flags psa.StorageFlags) error {
	r := c.begin(uid)
	binary.LittleEndian.PutUint32(r.word[:], capacity)
	binary.LittleEndian.PutUint32(r.flags[:], uint32(flags))
	r.in[1], r.in[2] = r.word[:], r.flags[:]
	err := c.do(r, CallCreate, 3, 0)
	c.end(r)
	return err
}

// SetExtended is psa_ps_set_extended.
func (c *Client) SetExtended(uid UID, offset uint32, data []byte) error {
	if len(data) > largest {
		// Past every capacity. The gate would only say that it is too much for it.
		return veneer.ErrInvalidArgument
	}
	r := c.begin(uid)
	binary.LittleEndian.PutUint32(r.word[:], offset)
	r.in[1], r.in[2] = data, r.word[:]
	err := c.do(r, CallSetExtended, 3, 0)
	c.end(r)
	return err
}

// Support is psa_ps_get_support.
func (c *Client) Support() (uint32, error) {
	r := c.begin(0)
	r.out[0] = r.answer[:WordSize]
	// The one call without a uid.
	err := c.gate.Call(c.handle, CallGetSupport, nil, r.out[:]).Err()
	n, support := len(r.out[0]), binary.LittleEndian.Uint32(r.answer[:])
	c.end(r)
	switch {
	case err != nil:
		return 0, err
	case n != WordSize:
		return 0, veneer.ErrCommunicationFailure
	}
	return support, nil
}
