package its

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
)

// CallList is a message type of this project, for Protected Storage alone, which
// looks over all that it has stored when the device boots; from any other caller
// it is one that does not exist:
//
//	0x4000 list    in: uid u64    out: entries
//
// The entries are those of the caller's assets with a higher uid, in ascending
// order, as many as there is room for:
//
//	0 uid u64   8 size u32   12 damaged u32, 0 or 1
//	16 the asset's first 32 bytes   48 its last 16 bytes
//
// Bytes that the asset does not have, or that are damaged, are 0. What is set or
// removed between two calls may be left out.
const CallList int32 = 0x4000

// Sizes in bytes of what an entry has.
const (
	EntryHead = 32
	EntryTail = 16
	EntrySize = 16 + EntryHead + EntryTail
)

// Entry is what is listed of one asset.
type Entry struct {
	UID     UID
	Size    uint32 // bytes
	Damaged bool   // a Get answers veneer.ErrDataCorrupt
	Head    [EntryHead]byte
	Tail    [EntryTail]byte
}

// AppendTo appends the wire form to b.
func (e *Entry) AppendTo(b []byte) []byte {
	damaged := uint32(0)
	if e.Damaged {
		damaged = 1
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(e.UID))
	b = binary.LittleEndian.AppendUint32(b, e.Size)
	b = binary.LittleEndian.AppendUint32(b, damaged)
	b = append(b, e.Head[:]...)
	return append(b, e.Tail[:]...)
}

// parse reads the wire form, EntrySize bytes.
func (e *Entry) parse(b []byte) bool {
	damaged := binary.LittleEndian.Uint32(b[12:])
	e.UID, e.Size, e.Damaged = UID(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint32(b[8:]), damaged == 1
	copy(e.Head[:], b[16:])
	copy(e.Tail[:], b[16+EntryHead:])
	return damaged <= 1
}

// listRoom is how many bytes of entries are asked for at once.
const listRoom = 1024 * EntrySize

// List calls f for each of the caller's assets, in the order of their uids, until
// f returns an error, which List returns. It is for Protected Storage. f does not
// keep the entry, and sets and removes nothing. veneer.ErrNotSupported: the caller
// is another.
func (c *Client) List(f func(*Entry) error) error {
	buf, last := make([]byte, listRoom), UID(0)
	var e Entry
	for {
		n, err := c.calls.List(CallList, last, buf)
		if err != nil {
			return err
		}
		if n%EntrySize != 0 {
			return veneer.ErrCommunicationFailure
		}
		for b := buf[:n]; len(b) > 0; b = b[EntrySize:] {
			// Uids that do not ascend could go on for ever.
			if !e.parse(b) || e.UID <= last {
				return veneer.ErrCommunicationFailure
			}
			last = e.UID
			if err := f(&e); err != nil {
				return err
			}
		}
		if n < len(buf) {
			return nil
		}
	}
}
