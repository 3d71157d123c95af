package ipc

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/postern-spe/postern/veneer"
)

// Whatever a client sends, in whatever pieces, the server answers in frames or
// drops the channel, and others are served on.
func FuzzStream(f *testing.F) {
	w := &echoWorld{hang: make(chan struct{}), hanging: make(chan struct{})}
	close(w.hang) // nothing hangs for long here
	s := serve(f, w, DefaultLimits)
	go func() {
		for {
			select {
			case <-s.events:
			case <-w.hanging:
			}
		}
	}()
	other, err := Dial(s.path)
	if err != nil {
		f.Fatal(err)
	}
	h := hello{1, 1}.encode()
	good := append(h[:], callFrame("abc", 1, 2)...)
	f.Add(good, uint16(0))
	f.Add(good, uint16(1))
	f.Add(good, uint16(20))
	f.Add(append(h[:], callFrame("", veneer.MaxPayload)...), uint16(16))
	for _, row := range badRequests {
		f.Add(append(h[:], row.frame...), uint16(7))
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		c, err := net.Dial("unix", s.path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		// One piece of a chosen size and the rest: where a frame is cut matters,
		// how often it is does not.
		cut := min(int(piece), len(stream))
		c.Write(stream[:cut])
		if piece%2 == 1 && other.FrameworkVersion() != veneer.FrameworkVersion11 {
			t.Fatal("the other client is not served")
		}
		c.Write(stream[cut:])
		c.(*net.UnixConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil && err.(net.Error).Timeout() {
			t.Fatal("the channel neither answers nor ends")
		}
	})
}
