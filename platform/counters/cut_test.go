package counters

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/platform/power"
)

// steps is how many increments a history has: enough for several moves from bank
// to bank, with few counters in use and with all of them.
const steps = 40

// step is the counter that is incremented next.
func step(i int) ID {
	if i < steps/2 {
		return ID(i % 3)
	}
	return ID(i % Count)
}

// count makes the increments from i on, and returns at which it stopped.
func count(c *Counters, i int, v *[Count]uint32) (int, error) {
	for ; i < steps; i++ {
		if err := c.Increment(step(i)); err != nil {
			return i, err
		}
		v[step(i)]++
	}
	return i, nil
}

// check fails the test unless got is want, or want with the pending increment,
// and returns which of them.
func check(t *testing.T, got, want [Count]uint32, pending ID) (done bool) {
	t.Helper()
	next := want
	next[pending]++
	if got != want && got != next {
		t.Fatalf("after the cut %v, acknowledged %v, pending %v", got, want, pending)
	}
	return got == next
}

// TestCut cuts the power at every point of a history, and then counts on.
func TestCut(t *testing.T) {
	for name, memory := range memories {
		t.Run(name, func(t *testing.T) {
			points := 0
			for seed := range uint64(8) {
				for n := uint64(1); ; n++ {
					var s power.Supply
					a := memory(&s)
					c := formatted(t, a)
					s.CutAt(n, seed)
					var want [Count]uint32
					i, err := count(c, 0, &want)
					if err == nil {
						break
					}
					if !errors.Is(err, power.ErrLost) {
						t.Fatalf("cut %d, seed %d: %v", n, seed, err)
					}
					points++
					s.On()
					c = open(t, a)
					if check(t, values(t, c), want, step(i)) {
						want[step(i)]++
						i++
					}
					if _, err := count(c, i, &want); err != nil {
						t.Fatalf("cut %d, seed %d: counting on: %v", n, seed, err)
					}
					if got := values(t, open(t, a)); got != want {
						t.Fatalf("cut %d, seed %d: %v, want %v", n, seed, got, want)
					}
				}
			}
			t.Logf("%d cuts", points)
		})
	}
}

// TestCutTwice cuts the power at every point of what Open does after each cut,
// too: recovery that is interrupted is recovered from.
func TestCutTwice(t *testing.T) {
	for name, memory := range memories {
		t.Run(name, func(t *testing.T) {
			points := 0
			for n := uint64(1); ; n++ {
				for m := uint64(1); ; m++ {
					var s power.Supply
					a := memory(&s)
					c := formatted(t, a)
					s.CutAt(n, n)
					var want [Count]uint32
					i, err := count(c, 0, &want)
					if err == nil {
						t.Logf("%d cuts in recovery", points)
						return
					}
					s.On()
					s.CutAt(m, m)
					if _, err = Open(a); err == nil {
						break // fewer than m points
					}
					if !errors.Is(err, power.ErrLost) {
						t.Fatalf("cuts %d and %d: %v", n, m, err)
					}
					points++
					s.On()
					c = open(t, a)
					if check(t, values(t, c), want, step(i)) {
						want[step(i)]++
						i++
					}
					if _, err := count(c, i, &want); err != nil {
						t.Fatalf("cuts %d and %d: counting on: %v", n, m, err)
					}
				}
			}
		})
	}
}

// TestCutFormat: a Format that was interrupted is repeated, and until then the
// area is refused or holds the old counters, but no others.
func TestCutFormat(t *testing.T) {
	for name, memory := range memories {
		t.Run(name, func(t *testing.T) {
			for n := uint64(1); ; n++ {
				var s power.Supply
				a := memory(&s)
				var old [Count]uint32
				if _, err := count(formatted(t, a), 0, &old); err != nil {
					t.Fatal(err)
				}
				s.CutAt(n, n)
				err := Format(a)
				s.On()
				if c, openErr := Open(a); openErr == nil {
					if got := values(t, c); got != old && got != [Count]uint32{} {
						t.Fatalf("cut %d: %v", n, got)
					}
				} else if !errors.Is(openErr, ErrBlank) && !errors.Is(openErr, ErrDamaged) {
					t.Fatalf("cut %d: %v", n, openErr)
				}
				s.CutAt(n, n+1)
				if again := Format(a); again != nil && !errors.Is(again, power.ErrLost) {
					t.Fatalf("cut %d: %v", n, again)
				}
				s.On()
				if got := values(t, formatted(t, a)); got != [Count]uint32{} {
					t.Fatalf("cut %d: %v after Format", n, got)
				}
				if err == nil {
					return
				}
			}
		})
	}
}

// TestCutFormatOfTwo: the same where a power failure has left both banks with a
// head, of which the earlier must not come to count.
func TestCutFormatOfTwo(t *testing.T) {
	const otherBank = testPage / recordSize
	old := [Count]uint32{PS0: 2, NS1: 9}
	next := [Count]uint32{PS0: 7, NS1: 9}
	earlier := func(g uint32) []record {
		return []record{head(g), {kindCounter, 0, 1, old[PS0], g}, {kindCounter, 9, 2, old[NS1], g}}
	}
	later := func(g uint32) []record {
		return []record{head(g), {kindCounter, 0, 1, next[PS0], g}, {kindCounter, 9, 2, next[NS1], g}}
	}
	for name, img := range map[string]image{
		"first bank later":  erased().put(0, later(6)...).put(otherBank, earlier(5)...),
		"second bank later": erased().put(0, earlier(5)...).put(otherBank, later(6)...),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				for n := uint64(1); ; n++ {
					var s power.Supply
					a := flash(&s, 2)
					if err := a.Program(0, img[:testPage]); err != nil {
						t.Fatal(err)
					}
					if err := a.Program(testPage, img[testPage:]); err != nil {
						t.Fatal(err)
					}
					s.CutAt(n, seed)
					err := Format(a)
					s.On()
					if c, openErr := Open(a); openErr == nil {
						if got := values(t, c); got != next && got != [Count]uint32{} {
							t.Fatalf("cut %d, seed %d: %v", n, seed, got)
						}
					}
					if err == nil {
						break
					}
				}
			}
		})
	}
}
