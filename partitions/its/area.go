package its

import (
	"errors"
	"fmt"
	"sync"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/veneer"
)

// keepRoom is the flag contract.KeepRoom as it is stored.
const keepRoom flashlog.Flags = 1 << 7

// area is an area of flash: the store in it, what its owners use of it, and how
// much of it is promised to who changes an asset that has KeepRoom.
type area struct {
	store  *flashlog.Store
	sealer *sealer                  // nil: contents are stored as they are
	limits func(owner int32) Limits // nil: there are none

	// What follows is known from the store and need not survive. stale says that
	// it may not be right: the flash has failed, or damage came to light.
	stale    bool
	used     map[int32]usage      // where there are limits
	kept     map[flashlog.Key]int // stored bytes of assets with KeepRoom
	promised int                  // the largest of kept, nothing for none: what the store has been told

	listed []uint64  // the uids that are being listed, ascending; nil: none
	small  [512]byte // a small asset that is being listed
}

// nothing is the size of no asset.
const nothing = -1

// usage is what a client has in an area.
type usage struct{ assets, bytes int }

// open opens the areas of the partition.
func (p *partition) open(cfg Config) error {
	areas := [2]struct {
		name  string
		flash Flash
	}{{"internal", cfg.Internal}, {"protected", cfg.Protected}}
	// Both are read before either is repaired: of a damaged device, whoever is to
	// find out what happened to it gets all that was there.
	// And both at once, since that is most of a boot with many assets.
	var checked [2]*flashlog.Checked
	var errs [2]error
	var reading sync.WaitGroup
	for _, a := range areas {
		if a.flash == nil {
			return fmt.Errorf("its: no %s storage area: %w", a.name, veneer.ErrServiceFailure)
		}
	}
	for i, a := range areas {
		reading.Go(func() { checked[i], errs[i] = flashlog.Check(a.flash) })
	}
	reading.Wait()
	for i, a := range areas {
		if errs[i] != nil {
			return fmt.Errorf("its: %s storage area, %w", a.name, errs[i])
		}
	}
	sealer, err := newSealer(cfg.Engine, cfg.Random)
	if err != nil {
		return fmt.Errorf("its: %w", err)
	}
	var stores [2]*flashlog.Store
	for i, a := range areas {
		if stores[i], err = checked[i].Mount(); err != nil {
			return fmt.Errorf("its: %s storage area, %w", a.name, err)
		}
	}
	p.internal = &area{store: stores[0], sealer: sealer, stale: true, promised: nothing}
	if cfg.limited() {
		p.internal.limits = cfg.limits
	}
	// Protected Storage's objects are sealed by itself.
	p.protected = &area{store: stores[1], stale: true, promised: nothing}
	return errors.Join(p.internal.count(), p.protected.count())
}

// count makes what the area knows of its store right again.
func (a *area) count() error {
	if !a.stale {
		return nil
	}
	a.used, a.kept = make(map[int32]usage), make(map[flashlog.Key]int)
	if err := a.store.Walk(func(k flashlog.Key, info flashlog.Info) { a.add(k, info.Size, info.Flags) }); err != nil {
		return err
	}
	a.stale = false
	a.restore(a.largest())
	return nil
}

// add and drop follow an asset that comes and goes; stored is its bytes in the
// store.
func (a *area) add(k flashlog.Key, stored int, flags flashlog.Flags) {
	if a.limits != nil {
		u := a.used[k.Owner]
		a.used[k.Owner] = usage{u.assets + 1, u.bytes + a.contents(stored)}
	}
	if flags&keepRoom != 0 {
		a.kept[k] = stored
	}
}

func (a *area) drop(k flashlog.Key, stored int) {
	if a.limits != nil {
		u := a.used[k.Owner]
		a.used[k.Owner] = usage{u.assets - 1, u.bytes - a.contents(stored)}
	}
	delete(a.kept, k)
}

// promise has the store keep room for replacing an asset of some size:
// veneer.ErrInsufficientStorage if there is none. One such promise is enough for
// all assets that are no larger, since they change one at a time.
func (a *area) promise(size int) error {
	if size == a.promised {
		return nil
	}
	if err := a.store.Reserve(size); err != nil {
		return err
	}
	a.promised = size
	return nil
}

// restore is promise for what has been promised before or is less: the store has
// room for it, and if damage has made that untrue, nothing here mends it.
func (a *area) restore(size int) { _ = a.promise(size) }

// largest returns the largest size of an asset with KeepRoom. It looks at many
// assets only after the one that was the largest has gone.
func (a *area) largest() int {
	most := nothing
	for _, size := range a.kept {
		if most = max(most, size); most == a.promised {
			break
		}
	}
	return most
}

// overhead is how many bytes an asset has in the store besides its contents.
func (a *area) overhead() int {
	if a.sealer == nil {
		return 0
	}
	return sealedOverhead
}

// contents returns how many bytes of contents an asset of some bytes in the store
// has.
func (a *area) contents(stored int) int { return max(stored-a.overhead(), 0) }

// set makes data the contents of an asset.
func (a *area) set(k flashlog.Key, data []byte, flags flashlog.Flags) error {
	if err := a.count(); err != nil {
		return err
	}
	old, err := a.store.Stat(k)
	exists := !errors.Is(err, veneer.ErrDoesNotExist)
	damaged := errors.Is(err, veneer.ErrDataCorrupt)
	switch {
	case damaged:
		// Whether it may be replaced, the store says; how large it was, nobody, so
		// what replaces it takes no more.
		old.Size = len(data) + a.overhead()
	case exists && err != nil:
		return err
	case exists && old.Flags&flashlog.WriteOnce != 0:
		return refuse(veneer.ErrNotPermitted, k, "set of a write-once asset")
	}
	if err := a.within(k, exists, a.contents(old.Size), len(data)); err != nil {
		return err
	}
	if len(data) > a.store.Space().Capacity {
		return refuse(veneer.ErrInsufficientStorage, k, "set of more than the area has room for")
	}
	stored := data
	if a.sealer != nil {
		if stored, err = a.sealer.seal(k, flags, data); err != nil {
			return err
		}
	}
	// What is to be promised is, before the asset is stored: else it might not be
	// possible any more.
	before := a.promised
	if flags&keepRoom != 0 && len(stored) > before {
		if err := a.promise(len(stored)); err != nil {
			return err
		}
	}
	if err := a.store.Set(k, stored, flags); err != nil {
		a.restore(before)
		a.failed(err)
		return err
	}
	if exists {
		a.drop(k, old.Size)
	}
	a.add(k, len(stored), flags)
	if flags&keepRoom == 0 || len(stored) < old.Size {
		a.settle(old)
	}
	a.stale = damaged
	return nil
}

// settle takes back the promise that was made for an asset of which old is gone,
// if nothing else is as large.
func (a *area) settle(old flashlog.Info) {
	if old.Flags&keepRoom != 0 && old.Size == a.promised {
		a.restore(a.largest())
	}
}

// within holds a set to the limits of its client.
func (a *area) within(k flashlog.Key, exists bool, old, size int) error {
	if a.limits == nil || exists && size <= old {
		return nil
	}
	limits, used := a.limits(k.Owner), a.used[k.Owner]
	switch {
	case limits.AssetSize > 0 && size > limits.AssetSize:
		return refuse(veneer.ErrInsufficientStorage, k, "set of an asset larger than its client may have")
	case limits.Assets > 0 && !exists && used.assets >= limits.Assets:
		return refuse(veneer.ErrInsufficientStorage, k, "set of more assets than its client may have")
	case limits.Bytes > 0 && used.bytes-old+size > limits.Bytes:
		return refuse(veneer.ErrInsufficientStorage, k, "set of more bytes than its client may have")
	}
	return nil
}

// failed takes note of an error after which the store may not be as it was.
func (a *area) failed(err error) {
	if !errors.Is(err, veneer.ErrInsufficientStorage) && !errors.Is(err, veneer.ErrNotPermitted) {
		a.stale = true
	}
}

func (a *area) remove(k flashlog.Key) error {
	if err := a.count(); err != nil {
		return err
	}
	old, err := a.store.Stat(k)
	if err != nil && !errors.Is(err, veneer.ErrDataCorrupt) {
		return err
	}
	damaged := err != nil
	if err := a.store.Remove(k); err != nil {
		a.failed(err)
		return err
	}
	a.drop(k, old.Size)
	a.settle(old)
	a.stale = damaged
	return nil
}

// read copies an asset to dst from the offset off on and returns how many bytes.
// On an error dst is as it was, or clear.
func (a *area) read(k flashlog.Key, off int, dst []byte) (int, error) {
	if a.sealer == nil {
		return a.store.Read(k, off, dst)
	}
	data, _, err := a.sealer.open(a.store, k)
	if err != nil {
		return 0, err
	}
	defer clear(data)
	if off < 0 || off > len(data) {
		return 0, veneer.ErrInvalidArgument
	}
	return copy(dst, data[off:]), nil
}

// stat returns the size and the flags of an asset. Of a sealed one they are
// believed, like contents, only after they authenticate.
func (a *area) stat(k flashlog.Key) (flashlog.Info, error) {
	if a.sealer == nil {
		return a.store.Stat(k)
	}
	data, flags, err := a.sealer.open(a.store, k)
	if err != nil {
		return flashlog.Info{}, err
	}
	defer clear(data)
	return flashlog.Info{Size: len(data), Flags: flags}, nil
}
