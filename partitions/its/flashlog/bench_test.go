package flashlog_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
)

func TestSteadyStateAllocatesNothing(t *testing.T) {
	s := open(t, flashtest.New(4))
	k, data, buf := flashlog.Key{Owner: 1, UID: 1}, workloadBytes(512), make([]byte, 512)
	if n := testing.AllocsPerRun(500, func() { // with collections
		if s.Set(k, data, 0) != nil {
			t.Error("set")
		}
		if n, err := s.Read(k, 0, buf); n != 512 || err != nil {
			t.Error("read")
		}
		if n, err := s.Read(k, 100, buf[:10]); n != 10 || err != nil {
			t.Error("read a part")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// populated returns a store of n assets of 32 bytes in an area of some MiB.
func populated(tb testing.TB, mib, n int) (*flashtest.Flash, *flashlog.Store) {
	f := flashtest.Blank(flashtest.NOR, mib<<20/flashtest.PageSize, flashtest.PageSize)
	s := open(tb, f)
	data := workloadBytes(32)
	for i := range n {
		if err := s.Set(assetKey(i), data, 0); err != nil {
			tb.Fatalf("asset %d: %v", i, err)
		}
	}
	return f, s
}

func assetKey(i int) flashlog.Key { return flashlog.Key{Owner: -1, UID: uint64(i + 1)} }

// scales are the numbers of assets that cost is to be the same at.
var scales = []int{10, 1000, 100_000}

func benchmarkScales(b *testing.B, f func(s *flashlog.Store, k flashlog.Key) error) {
	for _, n := range scales {
		b.Run(fmt.Sprintf("%d assets", n), func(b *testing.B) {
			_, s := populated(b, 64, n)
			rng := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				if err := f(s, assetKey(rng.IntN(n))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSet(b *testing.B) {
	data := workloadBytes(32)
	benchmarkScales(b, func(s *flashlog.Store, k flashlog.Key) error { return s.Set(k, data, 0) })
}

func BenchmarkRead(b *testing.B) {
	buf := make([]byte, 32)
	benchmarkScales(b, func(s *flashlog.Store, k flashlog.Key) error {
		_, err := s.Read(k, 0, buf)
		return err
	})
}

func BenchmarkStat(b *testing.B) {
	benchmarkScales(b, func(s *flashlog.Store, k flashlog.Key) error {
		_, err := s.Stat(k)
		return err
	})
}

// BenchmarkRemove removes an asset and sets it again.
func BenchmarkRemove(b *testing.B) {
	data := workloadBytes(32)
	benchmarkScales(b, func(s *flashlog.Store, k flashlog.Key) error {
		if err := s.Remove(k); err != nil {
			return err
		}
		return s.Set(k, data, 0)
	})
}

func BenchmarkMount(b *testing.B) {
	for _, mib := range []int{16, 64} {
		for _, n := range scales {
			b.Run(fmt.Sprintf("%d MiB, %d assets", mib, n), func(b *testing.B) {
				f, _ := populated(b, mib, n)
				b.ReportAllocs()
				for b.Loop() {
					open(b, f)
				}
			})
		}
	}
}

// BenchmarkMountUsed mounts an area that has been in use for long: whatever it
// holds, all of it is records.
func BenchmarkMountUsed(b *testing.B) {
	for _, n := range scales {
		b.Run(fmt.Sprintf("16 MiB, %d assets", n), func(b *testing.B) {
			f, s := populated(b, 16, n)
			data, rng := workloadBytes(32), rand.New(rand.NewPCG(1, 2))
			for range 250_000 {
				if err := s.Set(assetKey(rng.IntN(n)), data, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				open(b, f)
			}
		})
	}
}

// wearAreas are the areas of Internal Trusted Storage of boards, in pages.
var wearAreas = []struct {
	board string
	pages int
}{{"nrf5340", 2}, {"virt", 4096}}

// BenchmarkWear sets assets of 32 bytes at random in the boards' areas, full to
// some degree, and says what that costs the flash, with what TF-M's rule would
// beside it.
func BenchmarkWear(b *testing.B) {
	for _, area := range wearAreas {
		for _, fill := range []int{50, 75, 90, 95} {
			b.Run(fmt.Sprintf("%s, %d %% full", area.board, fill), func(b *testing.B) { benchmarkWear(b, area.pages, fill) })
		}
	}
}

func benchmarkWear(b *testing.B, pages, fill int) {
	f := flashtest.Blank(flashtest.NOR, pages, flashtest.PageSize)
	s, n := open(b, f), 0
	data, rng := workloadBytes(32), rand.New(rand.NewPCG(1, 2))
	for ; s.Space().Live*100 < fill*s.Space().Capacity; n++ {
		if err := s.Set(assetKey(n), data, 0); err != nil {
			b.Fatal(err)
		}
	}
	set := func() {
		if err := s.Set(assetKey(rng.IntN(n)), data, 0); err != nil {
			b.Fatal(err)
		}
	}
	for range 3 * n { // to where it stays
		set()
	}
	f.PowerOn()
	points, erases, most := f.Points(), total(f.Erases()), 0
	sets := 0
	for b.Loop() {
		before := f.Points()
		set()
		most = max(most, f.Points()-before)
		sets++
	}
	erases = total(f.Erases()) - erases
	words := f.Points() - points - erases
	b.ReportMetric(float64(words)/float64(sets), "words/set")
	b.ReportMetric(float64(most), "points-max/set")
	b.ReportMetric(1000*float64(erases)/float64(sets), "erases/1000")
	words, erases = tfmWear(pages, fill)
	b.ReportMetric(float64(words), "TF-M-words/set")
	b.ReportMetric(float64(1000*erases), "TF-M-erases/1000")
}

// tfmWear returns what a set of an asset that is there costs by the rule of TF-M
// 2.3's its_flash_fs: the words that are programmed and the pages that are erased.
// A change writes all of the metadata to the other of two blocks, for TF-M's
// default of 10 assets and a spare one, and what is in the asset's block with it:
// to the same block where the area has two, else to a spare one. The old blocks
// are erased. A set with another length than before does it twice. An area of
// many blocks is taken to have the metadata of one, which is too little.
func tfmWear(blocks, fill int) (words, erases int) {
	const (
		header     = 8     // with padding
		blockEntry = 3 * 4 // physical block, start, free size
		fileEntry  = 5*4 + 12
		files      = 10 + 1
		metadata   = header + blockEntry + files*fileEntry
		word       = 4
	)
	data, erases := flashtest.PageSize, 2
	if blocks == 2 {
		data, erases = flashtest.PageSize-metadata, 1
	}
	return (metadata + data*fill/100) / word, erases
}

func total(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// What the index takes for each asset, docs/storage.md says: about 54 bytes.
// BenchmarkMount has the time.
func TestMemoryOfManyAssets(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector is what would be measured")
	}
	const n = 100_000
	f, _ := populated(t, 16, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := open(t, f)
	runtime.GC()
	runtime.ReadMemStats(&after)
	perAsset := (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / n
	t.Logf("%.1f bytes of memory for each asset", perAsset)
	if perAsset < 16 || perAsset > 60 {
		t.Errorf("%.1f bytes of memory for each asset", perAsset)
	}
	if info, err := s.Stat(assetKey(n - 1)); err != nil || info.Size != 32 {
		t.Errorf("%v, %v", info, err)
	}
}
