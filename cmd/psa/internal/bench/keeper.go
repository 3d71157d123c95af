package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
)

// keeper keeps assets that are numbered from 0.
type keeper interface {
	set(i int, data []byte) error
	get(i int, buf []byte) (int, error)
	info(i int) error
	remove(i int) error
}

// gateKeeper keeps assets in a storage service.
type gateKeeper struct {
	storage storage
	first   its.UID // of asset 0; the others follow
}

// uidBits is how many of the uids that follow one another one measurement takes
// at most.
const uidBits = 24

// newGateKeeper takes uids that the client has none of: 2^40 places to begin at
// are enough for one that is drawn.
func newGateKeeper(s storage) *gateKeeper {
	return &gateKeeper{s, its.UID(rand.Uint64N(1<<(64-uidBits)-1)+1) << uidBits}
}

func (k *gateKeeper) uid(i int) its.UID { return k.first + its.UID(i) }

func (k *gateKeeper) set(i int, data []byte) error       { return k.storage.Set(k.uid(i), data, 0) }
func (k *gateKeeper) get(i int, buf []byte) (int, error) { return k.storage.Get(k.uid(i), 0, buf) }
func (k *gateKeeper) info(i int) error                   { _, err := k.storage.Info(k.uid(i)); return err }
func (k *gateKeeper) remove(i int) error                 { return k.storage.Remove(k.uid(i)) }

// fileKeeper keeps each asset in a file of its own, in one directory: what a
// program does that has no storage service. A set is a temporary file and a
// rename, so that it is whole when the process dies at any instruction, as one
// through the gate is; like that, it does not wait for the disk.
type fileKeeper struct {
	dir    string
	prefix string // of the files' names
}

func (k *fileKeeper) path(i int) string {
	return filepath.Join(k.dir, k.prefix+strconv.FormatInt(int64(i), 16))
}

func (k *fileKeeper) set(i int, data []byte) error {
	temporary := filepath.Join(k.dir, "temporary")
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, k.path(i))
}

func (k *fileKeeper) get(i int, buf []byte) (int, error) {
	f, err := os.Open(k.path(i))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Read(buf)
}

func (k *fileKeeper) info(i int) error   { _, err := os.Stat(k.path(i)); return err }
func (k *fileKeeper) remove(i int) error { return os.Remove(k.path(i)) }

// Sizes of assets in a population, in bytes. Of large ones there are few, so that
// many assets fit beside them.
const (
	smallAsset = 32
	largeAsset = 1 << 10
	tinyAsset  = 1
	largeCount = 1000
)

// population is assets 0..n-1 of a keeper. All have size bytes, or, where that is
// largeAsset, the first largeCount have, and the others tinyAsset.
type population struct {
	keeper keeper
	size   int
	n      int
}

// sizeOf returns the size of asset i.
func (p *population) sizeOf(i int) int {
	if p.size == largeAsset && i >= largeCount {
		return tinyAsset
	}
	return p.size
}

// measured returns how many assets, from the first on, have the population's
// size: one of them is what an operation is measured on.
func (p *population) measured() int {
	if p.size == largeAsset {
		return min(p.n, largeCount)
	}
	return p.n
}

// grow adds assets until there are n. Where the place for them ends before, it
// makes some room again and leaves it at that: in an area without any, the cost
// of collecting its last bytes is all that there is to measure.
func (p *population) grow(ctx context.Context, n int) error {
	data := make([]byte, p.size)
	for ; p.n < n; p.n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := p.keeper.set(p.n, data[:p.sizeOf(p.n)])
		if errors.Is(err, veneer.ErrInsufficientStorage) && p.n > 1 {
			return p.shrink(p.n - max(p.n/8, 1))
		}
		if err != nil {
			return fmt.Errorf("asset %d of %d: %w", p.n+1, n, err)
		}
	}
	return nil
}

// shrink removes assets, the last first, until there are n. It does not ask
// whether it should end: it is how a measurement that is interrupted does, which
// may have been about to set again what it had removed.
func (p *population) shrink(n int) error {
	for ; p.n > n; p.n-- {
		if err := p.keeper.remove(p.n - 1); err != nil && !errors.Is(err, veneer.ErrDoesNotExist) {
			return fmt.Errorf("remove asset %d: %w", p.n, err)
		}
	}
	return nil
}
