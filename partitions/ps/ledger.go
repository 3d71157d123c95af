package ps

import (
	"errors"
	"fmt"
	"maps"
	"math"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// Counter is a non-volatile counter of the device that only counts up, and that
// nobody who can write the medium can write. It survives power cuts: a value that
// was returned is never followed by a smaller one.
type Counter interface {
	Read() (uint32, error)
	// Increment adds one. After an error it has happened or not.
	Increment() error
}

// ledger knows which protected objects there are, and keeps the root and the
// counter so that this is known after a restart as well: the package comment has
// the rule, and why it holds. It is for one goroutine at a time.
type ledger struct {
	its     *its.Client
	coder   rootCoder
	counter Counter
	notice  func(string)
	hasher  *hasher // nil until its key has been derived

	// loaded says that what follows is right, started that it is more than read.
	loaded, started bool
	count           uint32 // the counter
	epoch           uint32
	known           map[its.UID]fingerprint
	sums            sums            // of known
	chains          map[its.UID]int // by first slot: how many of known are in the slots behind it
	// settled says that no root but the one on the medium can ever count from now
	// on, which a change needs.
	settled bool
	lost    its.UID // where a start has found what was not stored last; 0: nowhere
	renewed bool    // the medium is not to be trusted, and does not know of the new epoch yet
}

// noObject is the fingerprint of what is not there, or not protected.
var noObject fingerprint

// fingerprint returns what stands for an object whose tag is given.
func (l *ledger) fingerprint(at its.UID, o *object, tag []byte) fingerprint {
	if !o.protected() {
		return noObject
	}
	return l.hasher.of(at, tag, o.flags&psa.StorageWriteOnce != 0)
}

// put makes h what is known of a place.
func (l *ledger) put(at its.UID, h fingerprint) {
	old := l.known[at]
	if h == noObject {
		delete(l.known, at)
	} else {
		l.known[at] = h
	}
	if first := at &^ (slots - 1); first != at && (old == noObject) != (h == noObject) {
		if h == noObject {
			l.chains[first]--
		} else {
			l.chains[first]++
		}
		if l.chains[first] == 0 {
			delete(l.chains, first)
		}
	}
}

// beyond reports whether a protected object is in a slot behind this one, of
// those of the same hash. Nearly always no two assets have the same hash, and
// there is nothing to look through.
func (l *ledger) beyond(at its.UID) bool {
	if l.chains[at&^(slots-1)] == 0 {
		return false
	}
	for at++; at%slots != 0; at++ {
		if l.known[at] != noObject {
			return true
		}
	}
	return false
}

// change makes a change of the object at one place, which do makes in Internal
// Trusted Storage, in one step; h is the fingerprint of what will be there.
func (l *ledger) change(at its.UID, h fingerprint, do func() error) error {
	old := l.known[at]
	if old == h {
		return do() // nothing that is protected
	}
	if err := l.settle(); err != nil {
		return err
	}
	after := l.sums.toggle(at, old.plus(h))
	if err := l.writeRoot(after); err != nil {
		l.settled = false
		return err
	}
	switch err := do(); {
	case err == nil:
	case errors.Is(err, veneer.ErrInsufficientStorage), errors.Is(err, veneer.ErrNotPermitted):
		// Nothing has changed. The root that says otherwise must not come to count
		// with what the next change does.
		l.settled = false
		return err
	default:
		l.loaded = false // before or after, which the medium knows
		return err
	}
	// This is what the medium holds, whether or not the counter follows.
	l.put(at, h)
	l.sums = after
	return l.increment()
}

// settle makes every root that was ever written, and perhaps copied, worthless but
// the last. Such a root has at most the number after the counter's: two steps,
// in which nothing is changed, leave it behind.
func (l *ledger) settle() error {
	if l.settled {
		return nil
	}
	var err error
	if l.count, err = l.counter.Read(); err != nil {
		return &internalError{fmt.Errorf("read the counter: %w", err)}
	}
	for range 2 {
		if err := l.writeRoot(l.sums); err != nil {
			return err
		}
		if err := l.increment(); err != nil {
			return err
		}
	}
	l.settled = true
	return nil
}

// increment counts on.
func (l *ledger) increment() error {
	if err := l.counter.Increment(); err != nil {
		l.settled = false
		return &internalError{fmt.Errorf("increment the counter: %w", err)}
	}
	l.count++
	return nil
}

// writeRoot writes the root of a change to after. The counter's last value is the
// end of all changes: ErrInsufficientStorage.
func (l *ledger) writeRoot(after sums) error {
	if l.count == math.MaxUint32 {
		return fmt.Errorf("the counter is at its end: %w", veneer.ErrInsufficientStorage)
	}
	raw, err := l.coder.seal(&root{l.count + 1, l.epoch, l.sums, after})
	if err != nil {
		return err
	}
	return l.its.Set(rootUID, raw, its.KeepRoom)
}

// load finds out what the medium holds and whether it may, and changes nothing
// there.
func (l *ledger) load() (err error) {
	l.loaded, l.started, l.settled, l.lost, l.renewed = false, false, false, 0, false
	if err := l.derive(); err != nil {
		return err
	}
	if l.count, err = l.counter.Read(); err != nil {
		return &internalError{fmt.Errorf("read the counter: %w", err)}
	}
	r, bad := l.readRoot()
	if bad != nil && !errors.Is(bad, errNoRoot) && !errors.Is(bad, veneer.ErrDoesNotExist) && !errors.Is(bad, veneer.ErrDataCorrupt) {
		return bad
	}
	objects, err := l.survey(r.epoch)
	if err != nil {
		return err
	}
	l.loaded = true
	switch {
	case bad == nil && (r.number == l.count || r.number-1 == l.count):
		if l.reconcile(&r) {
			return nil
		}
		bad = errors.New("the objects are not those that were stored last")
	case bad == nil:
		bad = fmt.Errorf("the root has number %d", r.number)
	case errors.Is(bad, veneer.ErrDoesNotExist):
		bad = errors.New("there is no root")
	}
	if l.count > 0 || objects > 0 {
		l.renewed = true
		l.notice(fmt.Sprintf("the medium was rolled back or damaged: counter %d, %v; protected assets that are there are refused", l.count, bad))
	}
	// A new epoch begins, whose number no object has: epochs begin at different
	// values of the counter, which settle will have left behind before the first
	// object of this one is stored.
	l.epoch, l.known, l.sums, l.chains = l.count+1, map[its.UID]fingerprint{}, sums{}, nil
	l.index()
	return nil
}

// derive makes the key of the fingerprints.
func (l *ledger) derive() error {
	if l.hasher != nil {
		return nil
	}
	var key [hasherKeySize]byte
	defer clear(key[:])
	err := l.coder.sealer.Secret(key[:])
	if err == nil {
		l.hasher, err = newHasher(key[:])
	}
	if err != nil {
		return &internalError{fmt.Errorf("derive the key of fingerprints: %w", err)}
	}
	return nil
}

func (l *ledger) readRoot() (root, error) {
	n, err := l.its.Get(rootUID, 0, l.coder.raw[:])
	if err != nil {
		return root{}, err
	}
	return l.coder.open(n)
}

// survey makes known all protected objects of an epoch that the medium says there
// are, and returns how many objects of any kind there are. What is said may be
// untrue; it is compared with the root, and an object itself is believed when it
// authenticates.
func (l *ledger) survey(epoch uint32) (objects int, err error) {
	l.epoch, l.known, l.sums = epoch, make(map[its.UID]fingerprint), sums{}
	err = l.its.List(func(e *its.Entry) error {
		if e.UID < slots {
			return nil // not a slot
		}
		objects++
		o, err := parseHeader(e.Head[:], int(e.Size))
		if e.Damaged || err != nil || !o.protected() || o.epoch != epoch {
			return nil
		}
		h := l.fingerprint(e.UID, &o, e.Tail[:])
		l.known[e.UID] = h
		l.sums = l.sums.toggle(e.UID, h)
		return nil
	})
	l.index()
	return objects, err
}

// index makes chains right.
func (l *ledger) index() {
	l.chains = make(map[its.UID]int)
	for at := range maps.Keys(l.known) {
		if first := at &^ (slots - 1); first != at {
			l.chains[first]++
		}
	}
}

// reconcile compares what is known from the medium with what the root says. If
// one place is wrong, known is made what it should be, and lost the place.
func (l *ledger) reconcile(r *root) bool {
	candidates := []sums{r.after}
	if r.number != l.count {
		candidates = []sums{r.before, r.after}
	}
	for _, c := range candidates {
		if c == l.sums {
			return true
		}
	}
	// Seen from both, one place is wrong only if it is the one in which they
	// differ; then nothing else is in doubt, and the older one does.
	for _, c := range candidates {
		at, d, ok := c.plus(l.sums).single()
		if !ok {
			continue
		}
		l.put(at, l.known[at].plus(d))
		l.sums = c
		l.notice(fmt.Sprintf("object %#x is not the one that was stored last: it was put back, taken away or damaged", uint64(at)))
		l.lost = at
		return true
	}
	return false
}
