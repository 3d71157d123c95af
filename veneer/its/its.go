// Package its is the contract of the Internal Trusted Storage service and its
// typed client: small assets under a uid, kept in the device's own flash (PSA
// Secure Storage API 1.0, psa/internal_trusted_storage.h). Numbers and layouts
// are those of TF-M 2.3. Applications call it over the gate of package nspe,
// partitions over their runtime; each caller has uids of its own.
//
// The message types and their vectors, little-endian:
//
//	1001 set       in: uid u64, data, create flags u32
//	1002 get       in: uid u64, offset u32         out: data
//	1003 get_info  in: uid u64                     out: capacity u32, size u32, flags u32
//	1004 remove    in: uid u64
//
// One more is for Protected Storage alone: CallList.
package its

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/internal/storage"
	"github.com/postern-spe/postern/veneer/psa"
)

// The service, TFM_INTERNAL_TRUSTED_STORAGE_SERVICE.
const (
	SID             veneer.SID = 0x00000070
	Version         uint32     = 1
	StatelessHandle            = 3 // the manifest's number
	// Handle is the handle that every caller uses: the service is stateless.
	Handle veneer.Handle = 1<<30 | veneer.Handle(Version)<<8 | (StatelessHandle - 1)
)

// The message types.
const (
	CallSet     = storage.CallSet
	CallGet     = storage.CallGet
	CallGetInfo = storage.CallGetInfo
	CallRemove  = storage.CallRemove
)

// Sizes in bytes of what travels in vectors.
const (
	UIDSize    = storage.UIDSize
	OffsetSize = storage.WordSize
	FlagsSize  = storage.WordSize
	InfoSize   = storage.InfoSize
)

type (
	// UID is psa_storage_uid_t, the name that the caller gives an asset. 0 is
	// not a valid one.
	UID = storage.UID
	// Flags is psa_storage_create_flags_t.
	Flags = psa.StorageFlags
	// Info is struct psa_storage_info_t: capacity and size in bytes, and the
	// flags that the asset was set with. Here the capacity is the size.
	Info = storage.Info
)

// KeepRoom is a create flag of this project, for Protected Storage alone; from any
// other caller it is one that does not exist. The service keeps room in which an
// asset that has it can be replaced by one of the same size, however full the
// area gets.
const KeepRoom Flags = 1 << 31

// Client calls the service. It is safe for concurrent use, and allocates nothing
// for a call but what ReadAll returns.
//
// Besides what a method names, any error of veneer.Gate can come back, and
// veneer.ErrStorageFailure when the flash failed. veneer.ErrConnectionRefused:
// the device has the service for its secure partitions alone.
type Client struct{ calls *storage.Client }

// New returns a client over a gate.
func New(g veneer.Gate) *Client { return &Client{storage.NewClient(g, Handle)} }

// Set makes data the asset's contents and flags its flags (psa_its_set): all of
// it, also if power fails, or none. data may be empty and is not kept.
//
// veneer.ErrInvalidArgument: uid is 0. veneer.ErrNotSupported: a flag that does
// not exist. veneer.ErrNotPermitted: the asset is write-once.
// veneer.ErrInsufficientStorage: no room, or more than the device's configuration
// lets this caller have; the asset is as it was.
func (c *Client) Set(uid UID, data []byte, flags Flags) error { return c.calls.Set(uid, data, flags) }

// Get fills buf with the asset's contents from offset on, and returns the number
// of bytes: the lesser of len(buf) and what there is (psa_its_get). What it
// leaves in buf on an error means nothing.
//
// veneer.ErrInvalidArgument: uid is 0, or offset past the end.
// veneer.ErrDoesNotExist. veneer.ErrDataCorrupt: the contents are damaged.
// veneer.ErrInvalidSignature: they are not what was set, on a device that
// encrypts them.
func (c *Client) Get(uid UID, offset uint32, buf []byte) (int, error) {
	return c.calls.Get(uid, offset, buf)
}

// ReadAll returns all contents of an asset in a new slice, as they were at one
// moment. The errors are those of Get and Info.
func (c *Client) ReadAll(uid UID) ([]byte, error) { return c.calls.ReadAll(uid) }

// Info returns the size and the flags of an asset (psa_its_get_info).
// The errors are those of Get.
func (c *Client) Info(uid UID) (Info, error) { return c.calls.Info(uid) }

// Remove takes an asset away (psa_its_remove). veneer.ErrInvalidArgument: uid is
// 0. veneer.ErrDoesNotExist. veneer.ErrNotPermitted: the asset is write-once.
func (c *Client) Remove(uid UID) error { return c.calls.Remove(uid) }
