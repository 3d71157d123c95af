package crypto

import (
	"encoding/binary"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// MaxExport is the room in bytes for any key that the service exports.
const MaxExport = 4096

// listPage is how many keys one call of List asks for.
const listPage = 64

// Generate makes a new key of the type and size of attrs (psa_generate_key) and
// returns its identifier: attrs.ID for a persistent key, the service's choice
// for a volatile one. veneer.ErrAlreadyExists: the persistent identifier is in
// use. veneer.ErrInsufficientMemory, veneer.ErrInsufficientStorage: no room.
func (c *Client) Generate(attrs psa.KeyAttributes) (psa.KeyID, error) {
	r := c.begin(GenerateKey)
	r.sendAttributes(&attrs)
	return c.newKey(r)
}

// Import makes a key of data (psa_import_key), in the export format of its type
// (Crypto API 1.5, "Key formats"). Bits may be 0: the size is then the data's.
// The errors are Generate's; veneer.ErrInvalidArgument: data is not a key of
// this type and size.
func (c *Client) Import(attrs psa.KeyAttributes, data []byte) (psa.KeyID, error) {
	r := c.begin(ImportKey)
	r.sendAttributes(&attrs)
	r.send(data)
	return c.newKey(r)
}

// Copy makes a new key with the material of source (psa_copy_key), which permits
// it with psa.UsageCopy. The new key may do what both policies allow.
func (c *Client) Copy(source psa.KeyID, attrs psa.KeyAttributes) (psa.KeyID, error) {
	r := c.begin(CopyKey)
	r.Key = source
	r.sendAttributes(&attrs)
	return c.newKey(r)
}

func (c *Client) newKey(r *call) (psa.KeyID, error) {
	id, err := c.number(r)
	return psa.KeyID(id), err
}

// Export returns the key's material (psa_export_key), which the key permits with
// psa.UsageExport. The caller wipes it.
func (c *Client) Export(id psa.KeyID) ([]byte, error) { return c.export(ExportKey, id) }

// ExportPublic returns the public key of a key pair, or a public key itself
// (psa_export_public_key). An ECC key is the uncompressed point.
func (c *Client) ExportPublic(id psa.KeyID) ([]byte, error) { return c.export(ExportPublicKey, id) }

func (c *Client) export(fn FunctionID, id psa.KeyID) ([]byte, error) {
	r := c.begin(fn)
	r.Key = id
	dst := make([]byte, MaxExport)
	n, err := c.fill(r, dst)
	if err != nil {
		return nil, err
	}
	// A buffer of its own size, and the large one wiped: it may hold a secret.
	data := append([]byte(nil), dst[:n]...)
	clear(dst[:n])
	return data, nil
}

// Attributes returns the key's attributes (psa_get_key_attributes).
// veneer.ErrInvalidHandle: the caller has no key with this identifier.
func (c *Client) Attributes(id psa.KeyID) (psa.KeyAttributes, error) {
	r := c.begin(GetKeyAttributes)
	r.Key = id
	r.receive(r.answer[:])
	err := c.do(r)
	var attrs psa.KeyAttributes
	if err == nil {
		attrs, err = psa.ParseKeyAttributes(r.answer[:r.received(0, len(r.answer))])
		if err != nil {
			err = veneer.ErrCommunicationFailure
		}
	}
	c.end(r)
	return attrs, err
}

// Destroy ends the key and wipes it (psa_destroy_key). psa.NullKey is ignored.
func (c *Client) Destroy(id psa.KeyID) error {
	r := c.begin(DestroyKey)
	r.Key = id
	return c.simple(r)
}

// Purge drops what the service holds of a persistent key outside the storage
// (psa_purge_key). The key stays.
func (c *Client) Purge(id psa.KeyID) error {
	r := c.begin(PurgeKey)
	r.Key = id
	return c.simple(r)
}

// List returns the attributes of the caller's own keys, persistent and volatile, and those in the KMU's slots that it reaches,
// in ascending order of their identifiers. A key made or destroyed meanwhile may
// or may not be among them. The PSA Crypto API has no such call.
func (c *Client) List() ([]psa.KeyAttributes, error) {
	var (
		keys  []psa.KeyAttributes
		after [4]byte
		room  = make([]byte, listPage*psa.AttributesSize)
		last  psa.KeyID
	)
	for {
		binary.LittleEndian.PutUint32(after[:], uint32(last))
		out := []veneer.OutVec{room}
		if err := c.gate.Call(Handle, CallList, []veneer.InVec{after[:]}, out).Err(); err != nil {
			return nil, err
		}
		page := out[0]
		full := len(page) == len(room)
		for len(page) > 0 {
			k, err := psa.ParseKeyAttributes(page[:min(len(page), psa.AttributesSize)])
			// Identifiers must ascend, or this would not end.
			if err != nil || k.ID <= last {
				return nil, veneer.ErrCommunicationFailure
			}
			keys, last, page = append(keys, k), k.ID, page[psa.AttributesSize:]
		}
		if !full {
			return keys, nil
		}
	}
}
