// Package ps is the contract of the Protected Storage service and its typed
// client: assets under a uid that are encrypted and authenticated with a key of
// the device, so that they may be kept where others reach (PSA Secure Storage
// API 1.0, psa/protected_storage.h). Numbers and layouts are those of TF-M 2.3,
// but for the two functions that it has no calls for; they have numbers of this
// project, from 0x4000 up.
// Applications call it over the gate of package nspe, partitions over their
// runtime; each caller has uids of its own.
//
// The message types and their vectors, little-endian:
//
//	1001 set             in: uid u64, data, create flags u32
//	1002 get             in: uid u64, offset u32         out: data
//	1003 get_info        in: uid u64                     out: capacity u32, size u32, flags u32
//	1004 remove          in: uid u64
//	1005 get_support                                     out: support bits u32
//	0x4000 create        in: uid u64, capacity u32, create flags u32
//	0x4001 set_extended  in: uid u64, data, offset u32
package ps

import (
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/internal/storage"
	"github.com/postern-spe/postern/veneer/psa"
)

// The service, TFM_PROTECTED_STORAGE_SERVICE.
const (
	SID             veneer.SID = 0x00000060
	Version         uint32     = 1
	StatelessHandle            = 2 // the manifest's number
	// Handle is the handle that every caller uses: the service is stateless.
	Handle veneer.Handle = 1<<30 | veneer.Handle(Version)<<8 | (StatelessHandle - 1)
)

// The message types.
const (
	CallSet         = storage.CallSet
	CallGet         = storage.CallGet
	CallGetInfo     = storage.CallGetInfo
	CallRemove      = storage.CallRemove
	CallGetSupport  = storage.CallGetSupport
	CallCreate      = storage.CallCreate
	CallSetExtended = storage.CallSetExtended
)

// Sizes in bytes of what travels in vectors.
const (
	UIDSize      = storage.UIDSize
	OffsetSize   = storage.WordSize
	CapacitySize = storage.WordSize
	FlagsSize    = storage.WordSize
	InfoSize     = storage.InfoSize
	SupportSize  = storage.WordSize
)

type (
	// UID is psa_storage_uid_t, the name that the caller gives an asset. 0 is
	// not a valid one.
	UID = storage.UID
	// Flags is psa_storage_create_flags_t.
	Flags = psa.StorageFlags
	// Info is struct psa_storage_info_t: capacity and size in bytes, and the
	// flags that the asset was set or created with. The capacity of an asset that
	// was set is its size.
	Info = storage.Info
)

// Support is the bits that psa_ps_get_support answers.
type Support uint32

// SupportSetExtended is PSA_STORAGE_SUPPORT_SET_EXTENDED: Create and SetExtended
// work.
const SupportSetExtended Support = 1

// Client calls the service. It is safe for concurrent use, and allocates nothing
// for a call but what ReadAll returns.
//
// Besides what a method names, any error of veneer.Gate can come back,
// veneer.ErrStorageFailure when the storage failed, and veneer.ErrGenericError
// when the service could not use its key.
type Client struct{ calls *storage.Client }

// New returns a client over a gate.
func New(g veneer.Gate) *Client { return &Client{storage.NewClient(g, Handle)} }

// Set makes data the asset's contents and flags its flags (psa_ps_set): all of
// it, also if power fails, or none. data may be empty and is not kept. The
// asset's size and capacity are then len(data), also if Create had given it
// another capacity.
//
// veneer.ErrInvalidArgument: uid is 0. veneer.ErrNotSupported: a flag that does
// not exist. veneer.ErrNotPermitted: the asset is write-once.
// veneer.ErrInsufficientStorage: no room; the asset is as it was.
func (c *Client) Set(uid UID, data []byte, flags Flags) error { return c.calls.Set(uid, data, flags) }

// Get fills buf with the asset's contents from offset on, and returns the number
// of bytes: the lesser of len(buf) and what there is (psa_ps_get). What it
// leaves in buf on an error means nothing.
//
// veneer.ErrInvalidArgument: uid is 0, or offset past the end.
// veneer.ErrDoesNotExist. veneer.ErrDataCorrupt: what is stored is damaged.
// veneer.ErrInvalidSignature: what is stored is not what was set.
func (c *Client) Get(uid UID, offset uint32, buf []byte) (int, error) {
	return c.calls.Get(uid, offset, buf)
}

// ReadAll returns all contents of an asset in a new slice, as they were at one
// moment. The errors are those of Get and Info.
func (c *Client) ReadAll(uid UID) ([]byte, error) { return c.calls.ReadAll(uid) }

// Info returns the capacity, the size and the flags of an asset
// (psa_ps_get_info). The errors are those of Get.
func (c *Client) Info(uid UID) (Info, error) { return c.calls.Info(uid) }

// Remove takes an asset away (psa_ps_remove). veneer.ErrInvalidArgument: uid is
// 0. veneer.ErrDoesNotExist. veneer.ErrNotPermitted: the asset is write-once.
func (c *Client) Remove(uid UID) error { return c.calls.Remove(uid) }

// Support returns what the service offers besides (psa_ps_get_support).
func (c *Client) Support() (Support, error) {
	n, err := c.calls.Support()
	return Support(n), err
}

// Create reserves capacity bytes for an asset, whose size is then 0, for
// SetExtended to fill (psa_ps_create). The room is the asset's from then on: no
// SetExtended within the capacity fails for want of it, however full the storage
// gets.
//
// veneer.ErrInvalidArgument: uid is 0. veneer.ErrNotSupported: a flag that does
// not exist, or StorageWriteOnce. veneer.ErrAlreadyExists: there is an asset, as
// it stays. veneer.ErrInsufficientStorage: no room, for the asset and for one
// change of it at a time.
func (c *Client) Create(uid UID, capacity uint32, flags Flags) error {
	return c.calls.Create(uid, capacity, flags)
}

// SetExtended writes data into an asset from offset on, over what is there and
// past its end up to its capacity (psa_ps_set_extended): all of it, also if power
// fails, or none. It works on assets that were set as well as created; those that
// were set do not grow. Empty data changes nothing. data is not kept.
//
// veneer.ErrInvalidArgument: uid is 0, offset past the end of the asset, which
// would leave a gap, or data past its capacity. veneer.ErrNotPermitted: the asset
// is write-once. veneer.ErrInsufficientStorage: no room to change an asset that
// was not created. Besides, those of Get.
func (c *Client) SetExtended(uid UID, offset uint32, data []byte) error {
	return c.calls.SetExtended(uid, offset, data)
}
