package ipc

import (
	"testing"

	"github.com/postern-spe/postern/veneer"
)

func BenchmarkFrameworkVersion(b *testing.B) {
	c, err := Dial(serve(b, &echoWorld{}, DefaultLimits).path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.FrameworkVersion()
	}
	c.Disconnect()
}

func BenchmarkCall(b *testing.B) {
	c, err := Dial(serve(b, &echoWorld{}, DefaultLimits).path)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{64, 4 << 10, 60 << 10, 1 << 20} {
		b.Run(bytesName(n), func(b *testing.B) {
			buf := make([]byte, n)
			room := make([]byte, 32)
			in := []veneer.InVec{buf}
			out := []veneer.OutVec{room}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				out[0] = room
				if st := c.Call(1, 0, in, out); st != 0 {
					b.Fatal(st)
				}
			}
		})
	}
	c.Disconnect()
}

func bytesName(n int) string {
	switch {
	case n >= 1<<20:
		return "1MiB"
	case n >= 60<<10:
		return "60KiB"
	case n >= 4<<10:
		return "4KiB"
	}
	return "64B"
}
