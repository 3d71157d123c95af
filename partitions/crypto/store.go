package crypto

import (
	"errors"
	"slices"
	"sync"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// store keeps persistent keys in the Internal Trusted Storage, one object for
// each, at UID owner<<32 | key identifier as Mbed TLS does, and for each owner an
// index at key identifier 0, which no key has.
//
// Power may fail between any two writes. The index is written before a key's
// object and after its removal, so it names every key that is there, and perhaps
// some that are not; listing looks. A key is there or not with its object, which
// ITS writes and removes whole.
type store struct {
	its   *its.Client
	limit int // keys in memory for each owner

	mu     sync.RWMutex
	owners map[int32]*keystore
}

// keystore is the persistent keys of one owner.
type keystore struct {
	st    *store
	owner int32

	// write is held over what changes the storage, and over loading.
	write sync.Mutex
	index []psa.KeyID // ascending; nil until read
	read  bool

	mu     sync.RWMutex
	loaded map[psa.KeyID]*key
}

func newStore(c *its.Client, limit int) *store {
	return &store{its: c, limit: limit, owners: make(map[int32]*keystore)}
}

// of returns the keys of an owner. There are as many owners as the device has
// contexts and partitions, so they are kept.
func (st *store) of(owner int32) *keystore {
	st.mu.RLock()
	ks := st.owners[owner]
	st.mu.RUnlock()
	if ks != nil {
		return ks
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if ks = st.owners[owner]; ks == nil {
		ks = &keystore{st: st, owner: owner, loaded: make(map[psa.KeyID]*key)}
		st.owners[owner] = ks
	}
	return ks
}

func (ks *keystore) uid(id psa.KeyID) its.UID {
	return its.UID(uint64(uint32(ks.owner))<<32 | uint64(id))
}

// cached returns the key if it is in memory.
func (ks *keystore) cached(id psa.KeyID) *key {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	return ks.loaded[id]
}

// key returns a key, from the storage if it is not in memory.
// ErrInvalidHandle: there is none.
func (ks *keystore) key(id psa.KeyID) (*key, error) {
	if k := ks.cached(id); k != nil {
		return k, nil
	}
	ks.write.Lock()
	defer ks.write.Unlock()
	if k := ks.cached(id); k != nil {
		return k, nil
	}
	k, err := ks.load(id)
	if err != nil {
		return nil, err
	}
	ks.keep(id, k)
	return k, nil
}

// load reads a key from the storage.
func (ks *keystore) load(id psa.KeyID) (*key, error) {
	buf := make([]byte, keyFileHeader+maxKeySize)
	n, err := ks.st.its.Get(ks.uid(id), 0, buf)
	defer clear(buf)
	if errors.Is(err, veneer.ErrDoesNotExist) {
		return nil, veneer.ErrInvalidHandle
	}
	if err != nil {
		return nil, err
	}
	attrs, data, err := parseKeyFile(buf[:n], id)
	if err != nil {
		return nil, err
	}
	k, err := newKey(attrs, data)
	if err != nil {
		return nil, veneer.ErrDataInvalid
	}
	return k, nil
}

// keep puts a key into memory, in the place of another if there are many. One
// that leaves memory is not wiped under its user: its last user ends it.
func (ks *keystore) keep(id psa.KeyID, k *key) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	for old := range ks.loaded {
		if len(ks.loaded) < ks.st.limit {
			break
		}
		ks.drop(old)
	}
	ks.loaded[id] = k
}

// drop takes a key out of memory; mu is held.
func (ks *keystore) drop(id psa.KeyID) {
	if k := ks.loaded[id]; k != nil {
		delete(ks.loaded, id)
		k.end()
	}
}

// add stores a new key. ErrAlreadyExists: the identifier is in use.
func (ks *keystore) add(k *key) error {
	id := k.attrs.ID
	ks.write.Lock()
	defer ks.write.Unlock()
	if there, err := ks.there(id); err != nil {
		return err
	} else if there {
		return veneer.ErrAlreadyExists
	}
	// Keys are found without the index: an owner whose index is damaged goes on
	// making some, and the list says what is wrong with it.
	ids, err := ks.ids()
	damaged := errors.Is(err, veneer.ErrDataCorrupt) || errors.Is(err, veneer.ErrDataInvalid)
	if err != nil && !damaged {
		return err
	}
	if i, found := slices.BinarySearch(ids, id); !found && !damaged {
		if err := ks.setIndex(slices.Insert(slices.Clone(ids), i, id)); err != nil {
			return err
		}
	}
	file := appendKeyFile(nil, &k.attrs, k.mat.bytes())
	defer clear(file)
	if err := ks.set(id, file); err != nil {
		return err
	}
	ks.keep(id, k)
	return nil
}

// destroy removes a key from the storage and from memory. It is gone exactly if
// its object is, whatever becomes of the index.
func (ks *keystore) destroy(id psa.KeyID) error {
	ks.write.Lock()
	defer ks.write.Unlock()
	err := ks.st.its.Remove(ks.uid(id))
	if errors.Is(err, veneer.ErrDoesNotExist) {
		return veneer.ErrInvalidHandle
	}
	if err != nil {
		return err
	}
	ks.mu.Lock()
	ks.drop(id)
	ks.mu.Unlock()
	if ids, err := ks.ids(); err == nil {
		if i, found := slices.BinarySearch(ids, id); found {
			// A failure leaves a name too many, which listing passes over.
			_ = ks.setIndex(slices.Delete(slices.Clone(ids), i, i+1))
		}
	}
	return nil
}

// purge drops a key from memory. ErrInvalidHandle: there is none.
func (ks *keystore) purge(id psa.KeyID) error {
	ks.write.Lock()
	defer ks.write.Unlock()
	there, err := ks.there(id)
	if err != nil {
		return err
	}
	if !there {
		return veneer.ErrInvalidHandle
	}
	ks.mu.Lock()
	ks.drop(id)
	ks.mu.Unlock()
	return nil
}

// list returns the identifiers of the owner's keys that are there.
func (ks *keystore) list() ([]psa.KeyID, error) {
	ks.write.Lock()
	defer ks.write.Unlock()
	ids, err := ks.ids()
	if err != nil {
		return nil, err
	}
	var is []psa.KeyID
	for _, id := range ids {
		there, err := ks.there(id)
		if err != nil {
			return nil, err
		}
		if there {
			is = append(is, id)
		}
	}
	// What is not there need not be looked for again; the next change of the
	// index stores it so.
	ks.index = is
	return slices.Clone(is), nil
}

// there reports whether the storage has an object for the key.
func (ks *keystore) there(id psa.KeyID) (bool, error) {
	var first [1]byte
	_, err := ks.st.its.Get(ks.uid(id), 0, first[:])
	clear(first[:])
	if errors.Is(err, veneer.ErrDoesNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ids returns the index; write is held, and the slice is not changed.
func (ks *keystore) ids() ([]psa.KeyID, error) {
	if ks.read {
		return ks.index, nil
	}
	buf := make([]byte, maxIndex)
	n, err := ks.st.its.Get(ks.uid(psa.NullKey), 0, buf)
	switch {
	case errors.Is(err, veneer.ErrDoesNotExist):
	case err != nil:
		return nil, err
	default:
		if ks.index, err = parseIndex(buf[:n]); err != nil {
			return nil, err
		}
	}
	ks.read = true
	return ks.index, nil
}

// maxIndex is the largest index in bytes that is read. It is larger than an
// object of the storage: what limits the number of keys is the storage.
const maxIndex = 64 << 10

// setIndex stores the index.
func (ks *keystore) setIndex(ids []psa.KeyID) error {
	if err := ks.set(psa.NullKey, appendIndex(nil, ids)); err != nil {
		return err
	}
	ks.index = ids
	return nil
}

// set stores an object. ITS calls one that is larger than it ever stores an
// invalid argument; to the caller of Crypto it is a matter of room.
func (ks *keystore) set(id psa.KeyID, data []byte) error {
	err := ks.st.its.Set(ks.uid(id), data, 0)
	if errors.Is(err, veneer.ErrInvalidArgument) {
		return veneer.ErrInsufficientStorage
	}
	return err
}
