package nvmc

import "math/rand/v2"

// CutAt lets the power fail at the n-th point from now, 1 being the next word
// programmed or page erased. The word is then torn (any subset of the bits that
// should have become 0 has), the page partly erased (bits, words or a run of
// them still hold what they did), as seed decides; the operation and every
// later one, reads included, return ErrPowerLost until PowerOn, or until the
// file is mapped anew. n = 0 takes the cut back.
func (a *Array) CutAt(n, seed uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n == 0 {
		a.cut, a.rng = 0, nil
		return
	}
	a.cut, a.rng = a.points+n, rand.New(rand.NewPCG(seed, n))
}

// Points returns how many words have been programmed and pages erased since the
// array was made or mapped.
func (a *Array) Points() uint64 {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.points
}

// PowerOn ends the state after a cut: the cells hold what the cut left.
func (a *Array) PowerOn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down == ErrPowerLost {
		a.down, a.cut, a.rng = nil, 0, nil
	}
}

// point counts one word or page, and reports whether the power fails at it.
func (a *Array) point() bool {
	a.points++
	if a.points != a.cut {
		return false
	}
	a.down = ErrPowerLost
	return true
}

// tearPage leaves a page in the middle of its erase. Cells only ever move
// towards 1 in an erase, but in no order that the manual promises.
func (a *Array) tearPage(page []byte) {
	switch a.rng.IntN(4) {
	case 0: // up to some byte
		for i := range a.rng.IntN(len(page)) {
			page[i] = Erased
		}
	case 1: // from some byte on
		for i := a.rng.IntN(len(page)); i < len(page); i++ {
			page[i] = Erased
		}
	case 2: // some of the words
		for i := range page {
			if i%WordSize == 0 && a.rng.IntN(2) == 0 {
				for j := range WordSize {
					page[i+j] = Erased
				}
			}
		}
	case 3: // some of the bits
		for i := range page {
			page[i] |= byte(a.rng.Uint32())
		}
	}
}
