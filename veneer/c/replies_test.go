package c_test

import (
	"fmt"
	"strings"
	"testing"
)

// script greets and answers the first request with what the row says; later
// ones, on this channel and on others, honestly.
func script(first func(c *channel, q request) error) func(*channel) error {
	return func(c *channel) error {
		if err := c.greet(); err != nil {
			return err
		}
		for {
			q, err := c.next()
			if err != nil {
				return err
			}
			if _, n := c.peer.counts(); n == 1 {
				err = first(c, q)
			} else {
				_, err = c.Write(c.answer(q))
			}
			if err != nil {
				return err
			}
		}
	}
}

// testReplies answers one call with a reply that keeps to the layout or breaks
// it, whole, in pieces or cut short, and then makes another call: it is
// answered, over the same channel or, where the reply ended that, another one.
func testReplies(t *testing.T, program string) {
	const (
		one     = "call 0x40000100 0 i010203 o8"
		several = "call 0x40000100 0 i010203 o8 o0 o8"
		large   = "call 0x40000100 0 z2 o60000 o60000"

		oneLost     = "-145 [0 %s]"
		severalLost = "-145 [0 %s] [0 clean] [0 %s]"
	)
	damage := func(at int, b ...byte) func(request, []byte) []byte {
		return func(_ request, r []byte) []byte { copy(r[at:], b); return r }
	}
	keep := func(_ request, r []byte) []byte { return r }
	cut := func(n int) func(request, []byte) []byte {
		return func(_ request, r []byte) []byte { return r[:n] }
	}
	rows := []struct {
		name, call string
		out        []string // the outputs of the honest reply
		result     int32
		flags      byte
		damage     func(request, []byte) []byte
		hangUp     bool
		answer     string // any "%s" stands for "clean" or "changed"
	}{
		{"positive status", one, []string{"ab"}, 2, 0, keep, false, "2 [2 6162 clean]"},
		{"error with output", one, []string{"ab"}, -135, 0, keep, false, "-135 [2 6162 clean]"},
		{"service's own -145", one, []string{"ab"}, -145, 0, keep, false, "-145 [2 6162 clean]"},
		{"refused", one, nil, -129, refused, keep, false, "-129 [8 clean]"},
		{"refused, several", several, nil, -130, refused, keep, false, "-130 [8 clean] [0 clean] [8 clean]"},
		{"several", several, []string{"ab", "", "cde"}, 0, 0, keep, false, "0 [2 6162 clean] [0 clean] [3 636465 clean]"},
		{"only the last", several, []string{"", "", "cde"}, 0, 0, keep, false, "0 [0 clean] [0 clean] [3 636465 clean]"},
		{"large", large, []string{strings.Repeat("a", 50000), "b"}, 0, 0, keep, false, "0 [50000 " + sumOf("a", 50000) + " clean] [1 62 clean]"},

		{"another op", one, []string{"ab"}, 0, 0, damage(4, 3, 0), false, oneLost},
		{"another count", one, []string{"ab"}, 0, 0, damage(6, 2), false, oneLost},
		{"unknown flag", one, []string{"ab"}, 0, 0, damage(7, 2), false, oneLost},
		{"wrong seq", one, []string{"ab"}, 0, 0, damage(8, 9), false, oneLost},
		{"refused with output", one, []string{"ab"}, 0, refused, keep, false, oneLost},
		{"total too small", one, []string{"ab"}, 0, 0, damage(0, 33), false, oneLost},
		{"total below the header", one, nil, 0, 0, damage(0, 31), false, oneLost},
		{"total too large", one, []string{"ab"}, 0, 0, damage(0, 35), false, oneLost},
		{"total of 4 GiB", one, []string{"ab"}, 0, 0, damage(0, 255, 255, 255, 255), false, oneLost},
		{"length over the capacity", one, []string{"123456789"}, 0, 0, keep, false, oneLost},
		{"length of 4 GiB", one, []string{"ab"}, 0, 0, damage(16, 255, 255, 255, 255), false, oneLost},
		{"length of an absent vector", one, []string{"ab", "cd"}, 0, 0, keep, false, oneLost},
		{"length of a vector without room", several, []string{"a", "b", "c"}, 0, 0, keep, false, severalLost},
		{"lengths that wrap to the total", several, []string{"ab", "", "cd"}, 0, 0, damage(16, 255, 255, 255, 255, 0, 0, 0, 0, 5), false, severalLost},
		{"bytes after the reply", one, []string{"ab"}, 0, 0, func(_ request, r []byte) []byte { return append(r, "xyz"...) }, false, oneLost},
		{"noise", one, nil, 0, 0, func(request, []byte) []byte { return []byte(strings.Repeat("noise", 8)) }, false, oneLost},

		{"hangs up unanswered", one, nil, 0, 0, cut(0), true, oneLost},
		{"hangs up in the header", one, nil, 0, 0, cut(31), true, oneLost},
		{"hangs up before the output", one, []string{"ab"}, 0, 0, cut(32), true, oneLost},
		{"hangs up in the output", one, []string{"ab"}, 0, 0, cut(33), true, oneLost},
		{"hangs up in a later output", several, []string{"ab", "", "cd"}, 0, 0, cut(35), true, severalLost},
	}
	for _, r := range rows {
		for _, pieces := range []bool{false, true} {
			name := r.name
			if pieces {
				if r.call == large || r.name == "bytes after the reply" {
					continue // single bytes: too many of them, or the next reply's
				}
				name += " in pieces"
			}
			t.Run(name, func(t *testing.T) {
				p := listenPeer(t, socketPath(t), script(func(c *channel, q request) error {
					var out [][]byte
					for _, o := range r.out {
						out = append(out, []byte(o))
					}
					b := r.damage(q, q.reply(r.result, r.flags, out...))
					step := len(b)
					if pieces {
						step = 1
					}
					for len(b) > 0 {
						if _, err := c.Write(b[:step]); err != nil {
							return err
						}
						b = b[step:]
					}
					if r.hangUp {
						return c.Close()
					}
					return nil
				}))
				c := startClient(t, program, p.path)
				if got := c.do(r.call); !matches(got, r.answer) {
					t.Errorf("%s:\n got %s\nwant %s", r.call, got, r.answer)
				}
				c.want(one, "0 [3 010203 clean]")
			})
		}
	}
}

// matches compares an answer of the C program with one that says "%s" where the
// content of a buffer is not defined.
func matches(got, want string) bool {
	if !strings.Contains(want, "%s") {
		return got == want
	}
	got = strings.NewReplacer("changed", "%s", "clean", "%s").Replace(got)
	return got == strings.ReplaceAll(want, "clean", "%s")
}

func sumOf(s string, n int) string {
	h := uint32(2166136261)
	for i := range n {
		h = (h ^ uint32(s[i%len(s)])) * 16777619
	}
	return fmt.Sprintf("%08x", h)
}

// testGreetings answers the first greeting with one that does not open the
// channel. The vectors stay as they are where that is a refusal.
func testGreetings(t *testing.T, program string) {
	rows := []struct {
		name   string
		answer []byte
		call   string
	}{
		{"no version in common", welcome(0, 0, maxPayload), "-145 [0 clean]"},
		{"another version", welcome(2, 0, maxPayload), "-145 [0 clean]"},
		{"no room", welcome(0, -131, maxPayload), "-131 [4 clean]"},
		{"not for this caller", welcome(1, -130, 0), "-130 [4 clean]"},
		{"positive status", welcome(1, 1, maxPayload), "-145 [0 clean]"},
		{"reserved field", append(append(welcome(1, 0, 0)[:6:6], 1, 0), welcome(1, 0, 0)[8:]...), "-145 [0 clean]"},
		{"another protocol", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "-145 [0 clean]"},
		{"cut short", welcome(1, 0, maxPayload)[:15], "-145 [0 clean]"},
		{"nothing", nil, "-145 [0 clean]"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := listenPeer(t, socketPath(t), func(c *channel) error {
				if accepted, _ := c.peer.counts(); accepted > 1 {
					return serve(c)
				}
				var b [greetingSize]byte
				if _, err := c.Read(b[:]); err != nil {
					return err
				}
				_, err := c.Write(r.answer)
				return err
			})
			c := startClient(t, program, p.path)
			c.want("call 0x40000100 0 i01 o4", r.call)
			c.want("call 0x40000100 0 i01 o4", "0 [1 01 clean]")
		})
	}

	t.Run("in pieces", func(t *testing.T) {
		p := listenPeer(t, socketPath(t), func(c *channel) error {
			var b [greetingSize]byte
			if _, err := c.Read(b[:]); err != nil {
				return err
			}
			for _, x := range welcome(1, 0, maxPayload) {
				if _, err := c.Write([]byte{x}); err != nil {
					return err
				}
			}
			q, err := c.next()
			if err != nil {
				return err
			}
			_, err = c.Write(c.answer(q))
			return err
		})
		startClient(t, program, p.path).want("framework", "0x0101")
	})
	t.Run("smaller payloads", func(t *testing.T) {
		p := listenPeer(t, socketPath(t), func(c *channel) error {
			var b [greetingSize]byte
			if _, err := c.Read(b[:]); err != nil {
				return err
			}
			if _, err := c.Write(welcome(1, 0, 4)); err != nil {
				return err
			}
			q, err := c.next()
			if err != nil {
				return err
			}
			_, err = c.Write(c.answer(q))
			return err
		})
		c := startClient(t, program, p.path)
		c.want("call 0x40000100 0 i0102030405 o4", "-141 [4 clean]")
		c.want("call 0x40000100 0 i01020304 o5", "-141 [5 clean]")
		c.want("call 0x40000100 0 i01020304 o4", "0 [4 01020304 clean]")
	})
}
