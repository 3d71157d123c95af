package spe_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"go.uber.org/zap"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/disk/disktest"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// BenchmarkDurable is what a durable device costs: the same sets on the same disk,
// each waiting for it or not, and how many bytes go to it. It measures the disk
// that TMPDIR is on.
func BenchmarkDurable(b *testing.B) {
	b.Setenv("TMPDIR", disktest.Dir(b)) // the same one for both
	for _, board := range []string{"nrf5340", "virt"} {
		for _, durable := range []bool{false, true} {
			world := spetest.StartDevice(b, platform.ProvisionOptions{Board: board}, spe.Options{Durable: durable, Log: zap.NewNop()})
			gate := world.Gate(b)
			for name, set := range map[string]func(i int) error{
				"its_set_32":  func(i int) error { return its.New(gate).Set(its.UID(1+i%8), make([]byte, 32), 0) },
				"ps_set_1024": func(i int) error { return ps.New(gate).Set(ps.UID(1+i%3), make([]byte, 1024), 0) },
			} {
				b.Run(fmt.Sprintf("%s/%s/durable=%v", board, name, durable), func(b *testing.B) {
					before := written(b)
					for i := 0; b.Loop(); i++ {
						if err := set(i); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(written(b)-before)/float64(b.N), "disk-B/op")
				})
			}
			if err := world.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// written returns how many bytes this process has had written to disks, or has
// left to be written (proc(5), write_bytes).
func written(b *testing.B) (n int64) {
	b.Helper()
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip(err)
	}
	_, rest, _ := bytes.Cut(io, []byte("\nwrite_bytes: "))
	if _, err := fmt.Sscan(string(rest), &n); err != nil {
		b.Fatal(err)
	}
	return n
}
