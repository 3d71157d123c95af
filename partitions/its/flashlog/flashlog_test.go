package flashlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

func TestSetReadStatRemove(t *testing.T) {
	for _, size := range []int{0, 1, 3, 4, 5, 512, 979, 980, 981, 982, 984, 1959, 1960, 1961, 3000} {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			f := flashtest.New(2)
			s := open(t, f)
			k := flashlog.Key{Owner: -5, UID: 0x0102030405060708}
			data := workloadBytes(size)
			if err := s.Set(k, data, 6); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := (model{k: {data, 6}}).differs(s, k); err != nil {
					t.Fatal(err)
				}
				for off := 0; off <= size; off += 1 + size/13 {
					for _, n := range []int{0, 1, 7, size, size + 9} {
						buf := make([]byte, n)
						got, err := s.Read(k, off, buf)
						if err != nil || !bytes.Equal(buf[:got], data[off:min(size, off+n)]) {
							t.Fatalf("Read(%d, %d) = %d, %v", off, n, got, err)
						}
					}
				}
				if _, err := s.Read(k, size+1, nil); !errors.Is(err, veneer.ErrInvalidArgument) {
					t.Errorf("Read past the end: %v", err)
				}
				s = open(t, f)
			}
			if err := s.Remove(k); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := (model{}).differs(s, k); err != nil {
					t.Fatal(err)
				}
				if err := s.Remove(k); !errors.Is(err, veneer.ErrDoesNotExist) {
					t.Errorf("second Remove: %v", err)
				}
				s = open(t, f)
			}
		})
	}
}

func TestWriteOnce(t *testing.T) {
	f := flashtest.New(2)
	s := open(t, f)
	k, other := flashlog.Key{Owner: 1, UID: 1}, flashlog.Key{Owner: 2, UID: 1}
	if err := s.Set(k, []byte("for ever"), flashlog.WriteOnce); err != nil {
		t.Fatal(err)
	}
	for range 300 { // through many collections
		if err := s.Set(other, workloadBytes(300), 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Set(k, nil, 0); !errors.Is(err, veneer.ErrNotPermitted) {
			t.Errorf("Set: %v", err)
		}
		if err := s.Remove(k); !errors.Is(err, veneer.ErrNotPermitted) {
			t.Errorf("Remove: %v", err)
		}
		if err := (model{k: {[]byte("for ever"), 1}}).differs(s, k); err != nil {
			t.Error(err)
		}
		s = open(t, f)
	}
}

// TestFillRemoveFill is what psa-arch-tests does in its test 403: a store takes
// as many assets after it was emptied as before, and a full store keeps what it
// has and can be emptied.
func TestFillRemoveFill(t *testing.T) {
	for _, pages := range []int{2, 3, 4, 16} {
		for _, size := range []int{0, 1, 100, 512, 1500, 2048} {
			t.Run(fmt.Sprintf("%d pages of %d bytes", pages, size), func(t *testing.T) {
				f := flashtest.New(pages)
				s := open(t, f)
				want := -1
				for round := range 4 {
					n := 0
					for ; ; n++ {
						err := s.Set(flashlog.Key{Owner: -1, UID: uint64(1000*round + n)}, workloadBytes(size), 0)
						if err == veneer.ErrInsufficientStorage {
							break
						}
						if err != nil { // also that no page had room where the rule said so
							t.Fatal(err)
						}
					}
					if want < 0 {
						want = n
						t.Logf("%d assets of %d bytes in %d pages", n, size, pages)
					}
					if n != want || n == 0 {
						t.Fatalf("round %d took %d assets, the first took %d", round, n, want)
					}
					if round == 2 {
						s = open(t, f)
					}
					for i := range n {
						k := flashlog.Key{Owner: -1, UID: uint64(1000*round + i)}
						if err := (model{k: {workloadBytes(size), 0}}).differs(s, k); err != nil {
							t.Fatal(err)
						}
						if err := s.Remove(k); err != nil {
							t.Fatalf("remove %d of %d: %v", i, n, err)
						}
					}
				}
			})
		}
	}
}

// TestFullKeepsOldValue replaces assets in a store without room for a second
// copy of them.
func TestFullKeepsOldValue(t *testing.T) {
	s := open(t, flashtest.New(2))
	k := flashlog.Key{Owner: 1, UID: 1}
	big := workloadBytes(2500)
	if err := s.Set(k, big, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(k, make([]byte, 2500), 0); !errors.Is(err, veneer.ErrInsufficientStorage) {
		t.Errorf("Set: %v", err)
	}
	if err := s.Set(k, make([]byte, 1<<20), 0); !errors.Is(err, veneer.ErrInsufficientStorage) {
		t.Errorf("Set of 1 MiB: %v", err)
	}
	if err := (model{k: {big, 0}}).differs(s, k); err != nil {
		t.Error(err)
	}
}

// TestWearIsLevel sets a few assets again and again beside others that never
// change, in an area that these fill to various degrees.
func TestWearIsLevel(t *testing.T) {
	const pages, pageSize = 32, 1024
	fills := []int{50, 0, 10, 90}
	if raceEnabled {
		fills = fills[:1]
	}
	for _, fill := range fills {
		t.Run(fmt.Sprintf("%d %% static", fill), func(t *testing.T) {
			f := flashtest.Blank(flashtest.NOR, pages, pageSize)
			s, m := open(t, f), model{}
			for i := 0; s.Space().Live*100 < fill*s.Space().Capacity; i++ {
				o := op{key: flashlog.Key{Owner: 1, UID: uint64(i + 1)}, data: workloadBytes(32)}
				if err := o.do(s); err != nil {
					t.Fatal(err)
				}
				m.apply(o)
			}
			for i := range 200000 {
				if err := s.Set(flashlog.Key{Owner: 2, UID: uint64(1 + i%3)}, workloadBytes(60), 0); err != nil {
					t.Fatal(err)
				}
				if i%20000 == 19999 {
					s = open(t, f) // counts are not forgotten
				}
			}
			e := f.Erases()
			least, most := slices.Min(e), slices.Max(e)
			t.Logf("%d to %d erases of a page", least, most)
			if least < 500 || most-least > 64 {
				t.Errorf("erases of the pages: %v", e)
			}
			for k := range m {
				if err := m.differs(s, k); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestFlashFailures lets single accesses fail: the operation answers
// ErrStorageFailure, and the store goes on with the old or the new value.
func TestFlashFailures(t *testing.T) {
	for _, kind := range []string{"read", "program", "erase"} {
		t.Run(kind, func(t *testing.T) {
			f := flashtest.New(4)
			s := open(t, f)
			m := model{}
			failures := 0
			for i, o := range workload(3, 600) {
				if !m.allowed(o) {
					continue
				}
				count, at := 0, 1+i%5
				if kind == "erase" {
					at = 1 // there are few
				}
				f.Fail = func(op string, _ int) bool {
					if op == kind {
						count++
					}
					return op == kind && count == at
				}
				err := o.do(s)
				f.Fail = nil
				before := maps.Clone(m)
				switch {
				case err == nil:
					m.apply(o)
				case errors.Is(err, veneer.ErrInsufficientStorage):
				case !errors.Is(err, veneer.ErrStorageFailure):
					t.Fatalf("step %d: %v", i, err)
				default:
					failures++
					m.apply(o)
					if m.differs(s, o.key) != nil {
						m = before
					}
				}
				for _, k := range keys() {
					if err := m.differs(s, k); err != nil {
						t.Fatalf("step %d: %v", i, err)
					}
				}
			}
			if failures < 20 {
				t.Errorf("only %d failures came up", failures)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	used := flashtest.New(4)
	s := open(t, used)
	for i := range 400 {
		if err := s.Set(flashlog.Key{UID: uint64(i % 9)}, workloadBytes(200), 0); err != nil {
			t.Fatal(err)
		}
	}
	reversed := used.Image()
	slices.Reverse(reversed)
	lostHeader := func(page int) []byte {
		image := used.Image()
		copy(image[page*flashtest.PageSize:], make([]byte, 64))
		return image
	}
	text := slices.Repeat([]byte("not a store "), 4*flashtest.PageSize/12+1)[:4*flashtest.PageSize]
	refused := 0
	for page := range 4 {
		f := flashtest.FromImage(lostHeader(page), flashtest.PageSize)
		if _, err := flashlog.Open(f); err != nil {
			refused++
		}
	}
	if refused != 3 { // the fourth page is the reserve
		t.Errorf("an area that lost a page header was refused in %d of 4 cases", refused)
	}
	for name, image := range map[string][]byte{
		"another's data": text,
		"zeros":          make([]byte, 4*flashtest.PageSize),
		"reversed":       reversed,
		"pages swapped":  append(used.Image()[2*flashtest.PageSize:], used.Image()[:2*flashtest.PageSize]...),
		"cut short":      used.Image()[:3*flashtest.PageSize],
	} {
		t.Run(name, func(t *testing.T) {
			f := flashtest.FromImage(slices.Clone(image), flashtest.PageSize)
			if _, err := flashlog.Open(f); !errors.Is(err, veneer.ErrDataCorrupt) {
				t.Errorf("open: %v", err)
			}
			if !bytes.Equal(f.Image(), image) {
				t.Error("the refused area was changed")
			}
		})
	}
	if _, err := flashlog.Open(flashtest.New(1)); !errors.Is(err, veneer.ErrInvalidArgument) {
		t.Errorf("one page: %v", err)
	}
}
