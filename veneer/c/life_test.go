package c_test

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// testRestart ends the peer and starts another one at the same path. The
// handles of the one mean nothing to the other.
func testRestart(t *testing.T, program string) {
	path := socketPath(t)
	p := listenPeer(t, path, serve)
	c := startClient(t, program, path)
	h := c.do("connect 0x1000 1")
	c.want("call "+h+" 0 i01 o4", "0 [1 01 clean]")
	p.stop()
	c.want("call "+h+" 0 i01 o4", "-145 [0 clean]")
	c.want("framework", "0x0000")

	p = listenPeer(t, path, serve)
	c.want("call "+h+" 0 i01 o4", "-129 [4 clean]")
	g := c.do("connect 0x1000 1")
	c.want("close "+h, "ok")
	c.want("call "+g+" 0 i01 o4", "0 [1 01 clean]")
	c.want("call 0x40000100 0 i01 o4", "0 [1 01 clean]")
	c.want("cloexec", "sockets 1 kept 0")
	p.stop()

	// This time nothing is called in between.
	listenPeer(t, path, serve)
	c.want("call "+g+" 0 i01 o4", "-129 [4 clean]")
	c.want("call 0x40000100 0 i01 o4", "0 [1 01 clean]")
}

// testDropped hangs up after every reply. A channel that died since the last
// call costs nothing, and no request comes twice.
func testDropped(t *testing.T, program string) {
	hungUp := make(chan struct{})
	p := listenPeer(t, socketPath(t), func(c *channel) error {
		if err := c.greet(); err != nil {
			return err
		}
		q, err := c.next()
		if err != nil {
			return err
		}
		if _, err = c.Write(c.answer(q)); err != nil {
			return err
		}
		c.Close()
		select {
		case hungUp <- struct{}{}:
		case <-t.Context().Done():
		}
		return nil
	})
	c := startClient(t, program, p.path)
	const calls = 5
	for i := range calls {
		c.want("call 0x40000100 0 i01 o4", "0 [1 01 clean]")
		if t.Failed() {
			return // no channel was made that could hang up
		}
		<-hungUp
		// One request larger than the socket holds: the end shows at once.
		if i == calls-1 {
			c.want("call 0x40000100 0 z1048576 o4", "0 [4 00010203 clean]")
			<-hungUp
		}
	}
	if accepted, requests := p.counts(); accepted != calls+1 || requests != calls+1 {
		t.Errorf("%d channels and %d requests, want %d of each", accepted, requests, calls+1)
	}

	// Once it was sent, on the other hand, a call is lost.
	p = listenPeer(t, socketPath(t), func(c *channel) error {
		if err := c.greet(); err != nil {
			return err
		}
		q, err := c.next()
		if err != nil {
			return err
		}
		if _, err = c.Write(c.answer(q)); err != nil {
			return err
		}
		_, err = c.next()
		return err
	})
	c = startClient(t, program, p.path)
	c.want("call 0x40000100 0 i01 o4", "0 [1 01 clean]")
	c.want("call 0x40000100 0 i02 o4", "-145 [0 clean]")
	if accepted, requests := p.counts(); accepted != 1 || requests != 2 {
		t.Errorf("%d channels and %d requests, want 1 and 2: a lost call was repeated", accepted, requests)
	}

	// As is one in the middle of its request.
	path := socketPath(t)
	p = listenPeer(t, path, func(c *channel) error {
		if err := c.greet(); err != nil {
			return err
		}
		var b [100000]byte
		_, err := c.Read(b[:])
		return err
	})
	c = startClient(t, program, path)
	c.want("call 0x40000100 0 z1048576 o4", "-145 [0 clean]")
	if accepted, _ := p.counts(); accepted != 1 {
		t.Errorf("%d channels for one call that was lost", accepted)
	}
}

func testThreads(t *testing.T, program string) {
	p := listenPeer(t, socketPath(t), serve)
	c := startClient(t, program, p.path)
	const threads = 16
	c.want(fmt.Sprintf("threads %d 100 3000", threads), "ok")
	c.want(fmt.Sprintf("threads %d 4 600000", threads), "ok")
	if accepted, _ := p.counts(); accepted > threads {
		t.Errorf("%d channels for %d threads", accepted, threads)
	}
}

// testMoreThreads has more threads call than there are channels. The peer
// answers nothing until all channels are in use, so that the rest must wait.
func testMoreThreads(t *testing.T, program string) {
	const channels = 64
	var held atomic.Int32
	full := make(chan struct{})
	p := listenPeer(t, socketPath(t), func(c *channel) error {
		if err := c.greet(); err != nil {
			return err
		}
		for {
			q, err := c.next()
			if err != nil {
				return err
			}
			if held.Add(1) == channels {
				close(full)
			}
			select {
			case <-full:
			case <-t.Context().Done():
			}
			if _, err := c.Write(c.answer(q)); err != nil {
				return err
			}
		}
	})
	c := startClient(t, program, p.path)
	c.want("threads 100 3 3000", "ok")
	c.want("forks 2 100", "bad 0 threads 1")
	if accepted, _ := p.counts(); accepted != channels+2 {
		t.Errorf("%d channels, want %d and one of each child", accepted, channels)
	}
}

func testInterrupts(t *testing.T, program string) {
	p := listenPeer(t, socketPath(t), serve)
	c := startClient(t, program, p.path)
	c.want("storm", "ok")
	c.want("threads 2 20 1000000", "ok")
	c.want("threads 2 200 500", "ok")
}

// testCancel cancels a thread that waits for an answer: the call ends first.
func testCancel(t *testing.T, program string) {
	held, release := make(chan struct{}), make(chan struct{})
	p := listenPeer(t, socketPath(t), script(func(c *channel, q request) error {
		held <- struct{}{}
		<-release
		_, err := c.Write(c.answer(q))
		return err
	}))
	c := startClient(t, program, p.path)
	c.want("start 0x40000100 0 i01 o4", "ok")
	<-held
	c.want("cancel", "ok")
	close(release)
	c.do("join") // empty or not: the program's own printf is a place to end
	c.want("call 0x40000100 0 i01 o4", "0 [1 01 clean]")
	if accepted, _ := p.counts(); accepted != 1 {
		t.Errorf("%d channels: the cancelled call kept one", accepted)
	}
}

func testFork(t *testing.T, program string) {
	p := listenPeer(t, socketPath(t), serve)
	c := startClient(t, program, p.path)
	h := c.do("connect 0x1000 1")
	c.want("fork "+h, "child 0 parent 1")
	c.want("fork "+h, "child 0 parent 1")
	c.want("cloexec", "sockets 1 kept 0")
	if accepted, _ := p.counts(); accepted != 3 {
		t.Errorf("%d channels, want the parent's and one of each child", accepted)
	}
}

func testForks(t *testing.T, program string) {
	p := listenPeer(t, socketPath(t), serve)
	c := startClient(t, program, p.path)
	c.want("forks 20 4", "bad 0 threads 1")
}
