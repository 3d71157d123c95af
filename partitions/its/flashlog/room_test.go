package flashlog_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
)

// setAll sets small assets until there is no room, and returns how many.
func setAll(t *testing.T, s *flashlog.Store, owner int32, size int) (n int) {
	for ; ; n++ {
		err := s.Set(flashlog.Key{Owner: owner, UID: uint64(n + 1)}, workloadBytes(size), 0)
		if err == veneer.ErrInsufficientStorage {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestLargestAsset finds the largest asset that an area takes, empty and after
// it was full of small ones.
func TestLargestAsset(t *testing.T) {
	for _, pages := range []int{2, 3, 8, 64, 256} {
		t.Run(fmt.Sprintf("%d pages", pages), func(t *testing.T) {
			s := open(t, flashtest.New(pages))
			k := flashlog.Key{Owner: 1, UID: 1}
			largest := 0
			for round := range 2 {
				for n := setAll(t, s, 2, 0); n > 0; n-- {
					if err := s.Remove(flashlog.Key{Owner: 2, UID: uint64(n)}); err != nil {
						t.Fatal(err)
					}
				}
				low, high := 0, s.Space().Capacity
				for low < high {
					size := (low + high + 1) / 2
					switch err := s.Set(k, workloadBytes(size), 0); {
					case err == nil:
						low = size
						if err := s.Remove(k); err != nil {
							t.Fatal(err)
						}
					case errors.Is(err, veneer.ErrInsufficientStorage):
						high = size - 1
					default:
						t.Fatal(err)
					}
				}
				if round == 1 && low < largest-largest/100 {
					t.Errorf("%d bytes at first, later %d", largest, low)
				}
				largest = low
			}
			share := 100 * largest / (flashtest.PageSize * (pages - 1))
			t.Logf("%d bytes, %d %% of the pages that can be in use", largest, share)
			if share < 70 || pages > 3 && share < 90 {
				t.Errorf("largest asset is %d bytes", largest)
			}
			if err := s.Set(k, workloadBytes(largest), 0); err != nil {
				t.Fatal(err)
			}
			if err := (model{k: {workloadBytes(largest), 0}}).differs(s, k); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRemoveMakesRoom removes assets from a full store, in which each removal is
// a record, and sets others: there is always room for as much as was removed.
func TestRemoveMakesRoom(t *testing.T) {
	sizes := []int{2, 5, 70}
	if raceEnabled {
		sizes = sizes[:2]
	}
	for _, pages := range sizes {
		for _, size := range []int{0, 32, 500} {
			t.Run(fmt.Sprintf("%d pages, %d bytes", pages, size), func(t *testing.T) {
				s := open(t, flashtest.New(pages))
				n := setAll(t, s, 1, size)
				for i := range 2 * n {
					if err := s.Remove(flashlog.Key{Owner: 1, UID: uint64(i + 1)}); err != nil {
						t.Fatalf("%d of %d: %v", i, n, err)
					}
					if err := s.Set(flashlog.Key{Owner: 1, UID: uint64(i + n + 1)}, workloadBytes(size), 0); err != nil {
						t.Fatalf("%d of %d: %v", i, n, err)
					}
				}
				// In one piece as well, once all is gone.
				for i := range n {
					if err := s.Remove(flashlog.Key{Owner: 1, UID: uint64(i + 2*n + 1)}); err != nil {
						t.Fatal(err)
					}
				}
				all := s.Space().Capacity * 7 / 10
				if err := s.Set(flashlog.Key{Owner: 1, UID: 1}, workloadBytes(all), 0); err != nil {
					t.Errorf("%d bytes after all was removed: %v", all, err)
				}
				flashlog.CheckTable(t, s)
			})
		}
	}
}

// TestReserve fills a store beside an asset that room is kept for, which can be
// replaced then again and again, and nothing else can.
func TestReserve(t *testing.T) {
	for _, pages := range []int{2, 3, 16} {
		for _, size := range []int{0, 100, 1200} {
			t.Run(fmt.Sprintf("%d pages, %d bytes", pages, size), func(t *testing.T) {
				f := flashtest.New(pages)
				s := open(t, f)
				k := flashlog.Key{Owner: 1, UID: 1}
				if err := s.Reserve(size); err != nil {
					t.Fatal(err)
				}
				if err := s.Set(k, workloadBytes(size), 0); err != nil {
					t.Fatal(err)
				}
				n := setAll(t, s, 2, 20)
				if err := s.Reserve(s.Space().Capacity); !errors.Is(err, veneer.ErrInsufficientStorage) {
					t.Errorf("reserve all: %v", err)
				}
				for i := range 300 {
					if err := s.Set(k, workloadBytes(size-i%2*size/2), 0); err != nil {
						t.Fatalf("set %d: %v", i, err)
					}
					j := flashlog.Key{Owner: 2, UID: uint64(1 + i%n)}
					if err := s.Set(j, workloadBytes(20), 0); err != nil && (size >= 20 || err != veneer.ErrInsufficientStorage) {
						t.Fatalf("set %d as large as it was: %v", i, err)
					}
					if err := s.Set(j, workloadBytes(2000), 0); !errors.Is(err, veneer.ErrInsufficientStorage) {
						t.Fatalf("set %d larger: %v", i, err)
					}
				}
				if err := s.Reserve(-1); err != nil {
					t.Fatal(err)
				}
				if err := s.Set(flashlog.Key{Owner: 1, UID: 2}, workloadBytes(size), 0); err != nil {
					t.Errorf("set in the room that was kept: %v", err)
				}
			})
		}
	}
}

// TestWalk visits what is there, once each, and what is damaged as well.
func TestWalk(t *testing.T) {
	f, m := filled(t, 4, 200)
	s := open(t, f)
	got := map[flashlog.Key]flashlog.Info{}
	if err := s.Walk(func(k flashlog.Key, i flashlog.Info) {
		if _, twice := got[k]; twice {
			t.Errorf("%v twice", k)
		}
		got[k] = i
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(m) {
		t.Errorf("%d assets, want %d", len(got), len(m))
	}
	for k, a := range m {
		if want := (flashlog.Info{Size: len(a.data), Flags: a.flags}); got[k] != want {
			t.Errorf("%v is %v, want %v", k, got[k], want)
		}
	}
}

// TestManyAssets does to 100,000 assets what workloads do to a few, in an area
// that they fill to more than 90 %.
func TestManyAssets(t *testing.T) {
	n, steps := 100_000, 300_000
	if raceEnabled {
		n, steps = 2000, 6000
	}
	f := flashtest.New(n*68/(4028*92/100) + 2)
	s := open(t, f)
	rng := rand.New(rand.NewPCG(5, 6))
	last := make([]uint32, n) // 0: not there
	buf := make([]byte, 32)
	for i := range steps {
		j := rng.IntN(n)
		if i < n {
			j = i
		}
		k := flashlog.Key{Owner: int32(j % 7), UID: uint64(j + 1)}
		var err error
		if i >= n && last[j] != 0 && i%5 == 0 {
			err, last[j] = s.Remove(k), 0
		} else {
			binary.LittleEndian.PutUint32(buf, uint32(i+1))
			err, last[j] = s.Set(k, buf, 0), uint32(i+1)
		}
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	space := s.Space()
	t.Logf("%d %% full, %d erases", 100*(space.Live+space.Removals)/space.Capacity, total(f.Erases()))
	for range 2 {
		flashlog.CheckTable(t, s)
		for j, want := range last {
			k := flashlog.Key{Owner: int32(j % 7), UID: uint64(j + 1)}
			switch n, err := s.Read(k, 0, buf); {
			case want == 0 && errors.Is(err, veneer.ErrDoesNotExist):
			case err != nil || n != 32 || binary.LittleEndian.Uint32(buf) != want:
				t.Fatalf("asset %d: %d bytes, %d, %v; want %d", j, n, binary.LittleEndian.Uint32(buf), err, want)
			}
		}
		s = open(t, f)
	}
}
