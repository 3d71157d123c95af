// Package c_test builds the gate for C programs with the C compiler of the
// machine, plain and under its sanitizers, and runs C programs on it: against
// peers that speak the frames by hand, an honest one and ones that lie, stammer,
// hang up and die, and against a whole secure world.
package c_test

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// scenario is one run of the client program. The sanitizer of threads takes only
// those in which there is more than one, or a real secure world; so does the
// program of 32 bits, for which some of the other lengths do not exist.
type scenario struct {
	name string
	some bool
	run  func(t *testing.T, program string)
}

func TestGate(t *testing.T) {
	scenarios := []scenario{
		{"calls", false, testCalls},
		{"refused without asking", false, testLocalRefusals},
		{"refused by the peer", false, testRefusals},
		{"replies", false, testReplies},
		{"greetings", false, testGreetings},
		{"no secure world", false, testUnreachable},
		{"restart", false, testRestart},
		{"dropped between calls", false, testDropped},
		{"threads", true, testThreads},
		{"more threads than channels", true, testMoreThreads},
		{"interrupts", true, testInterrupts},
		{"cancelled thread", true, testCancel},
		{"fork", true, testFork},
		{"fork among threads", true, testForks},
		{"world/services", true, testWorldServices},
		{"world/threads", true, testWorldThreads},
		{"world/fork", true, testWorldFork},
		{"world/restart", true, testWorldRestart},
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			built := v.build(t)
			for _, s := range scenarios {
				if (v.name == "tsan" || v.name == "m32") && !s.some {
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					s.run(t, built.client)
				})
			}
			t.Run("world/example", func(t *testing.T) {
				t.Parallel()
				testExample(t, built.example)
			})
		})
	}
}

// TestCompiles holds the library against every compiler that the machine has,
// in each language it promises, without a warning.
func TestCompiles(t *testing.T) {
	t.Parallel()
	compiler(t)
	c := []string{"postern.c", "ps_extended.c", "../../nspe/examples/c/its_asset.c"}
	header := filepath.Join(t.TempDir(), "header.cc")
	program := "#include \"psa/client.h\"\nint main() { return psa_version(1) != PSA_VERSION_NONE; }\n"
	if err := os.WriteFile(header, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		compilers []string
		std       string
		files     []string
	}{
		{[]string{"gcc", "clang", "musl-gcc"}, "c99", c},
		{[]string{"gcc", "clang", "musl-gcc"}, "c11", c}, // with the layout assertions
		{[]string{"g++", "clang++"}, "c++98", []string{header}},
		{[]string{"g++", "clang++"}, "c++17", []string{header}},
	}
	for _, r := range rows {
		for _, cc := range r.compilers {
			t.Run(cc+" "+r.std, func(t *testing.T) {
				if _, err := exec.LookPath(cc); err != nil {
					t.Skipf("no %s", cc)
				}
				for _, file := range r.files {
					args := append([]string{"-std=" + r.std, "-O2"}, strict...)
					compile(t, cc, append(args, "-c", "-o", filepath.Join(t.TempDir(), "o"), file)...)
				}
			})
		}
	}
}

func testCalls(t *testing.T, program string) {
	p := listenPeer(t, socketPath(t), serve)
	c := startClient(t, program, p.path)
	c.want("framework", "0x0101")
	c.want("version 0x20", "7")
	c.want("connect 0x2000 1", "-130")

	h := c.do("connect 0x1000 1")
	rows := []struct{ name, call, answer string }{
		{"nothing", "0", "0"},
		{"input only", "0 i0102", "0"},
		{"one output", "0 i0102030405 o5", "0 [5 0102030405 clean]"},
		{"room to spare", "0 i0102 o16", "0 [2 0102 clean]"},
		{"room for less", "0 i010203 o2", "0 [2 0102 clean]"},
		{"nothing written", "0 o16", "0 [0 clean]"},
		{"order of vectors", "0 i01 i0203 o1 o2", "0 [1 01 clean] [2 0203 clean]"},
		{"empty vectors", "0 i i0203 o0 o2", "0 [0 clean] [2 0203 clean]"},
		{"NULL and empty", "0 I0 i0203 N0 o2", "0 [0 clean] [2 0203 clean]"},
		{"three outputs, the last not filled", "0 i010203 o2 o9 o9", "0 [2 0102 clean] [1 03 clean] [0 clean]"},
		{"error without output", "99 i01 o9", "-134 [0 clean]"},
	}
	for _, r := range rows {
		c.want("call "+h+" "+r.call, r.answer)
		c.want("call 0x40000100 "+r.call, r.answer)
	}
	for _, n := range []int{65, 511, 512, 513, 4096, 60 << 10, maxPayload - 1, maxPayload} {
		c.want(fmt.Sprintf("call %s 0 z%d o%d", h, n, n), fmt.Sprintf("0 [%d %s clean]", n, sum(0, n)))
		k := n / 3
		c.want(fmt.Sprintf("call %s 0 z%d o%d o%d o%d", h, n, k, k, n-2*k), fmt.Sprintf("0 [%d %s clean] [%d %s clean] [%d %s clean]",
			k, data(0, k), k, data(k, k), n-2*k, data(2*k, n-2*k)))
	}
	c.want("close "+h, "ok")
	c.want("call "+h+" 0 i01 o4", "-129 [4 clean]")
	c.want("cloexec", "sockets 1 kept 0")
}

// testRefusals makes calls that the secure world refuses, and that change no
// vector.
func testRefusals(t *testing.T, program string) {
	p := listenPeer(t, socketPath(t), serve)
	c := startClient(t, program, p.path)
	c.refusals(t, "0x40000100")
}

// refusals makes calls that every secure world refuses, those of a type with a
// service that would not mind.
func (c *client) refusals(t *testing.T, service string) {
	rows := []struct{ name, command, answer string }{
		{"negative type", "call " + service + " -1 i01 o4", "-129 [4 clean]"},
		{"type too large", "call " + service + " 32768 i01 o4", "-129 [4 clean]"},
		{"five vectors in all", "vectors 0 3 2", "-129"},
		{"null handle", "call 0 0 o4", "-129 [4 clean]"},
		{"negative handle", "call -5 0 o4", "-129 [4 clean]"},
		{"no such connection", "call 1024 0 i01 o4", "-129 [4 clean]"},
		{"close a stateless handle", "close " + service, "ok"},
		{"close no connection", "close 77", "ok"},
		{"close a negative handle", "close -5", "ok"},
		{"the service is as it was", "call " + service + " 0 i01 o4", "0 [1 01 clean]"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c.t = t
			c.want(r.command, r.answer)
		})
	}
}

// testLocalRefusals makes calls that a frame cannot say. None of them may reach
// the peer, nor change a vector.
func testLocalRefusals(t *testing.T, program string) {
	p := listenPeer(t, socketPath(t), serve)
	c := startClient(t, program, p.path)
	rows := []struct{ name, command, answer string }{
		{"five inputs", "vectors 0 5 0", "-129"},
		{"five outputs", "vectors 0 0 5", "-129"},
		{"counts that overflow", "vectors 0 -1 -1", "-129"},
		{"inputs without vectors", "vectors 0 -1 0", "-129"},
		{"outputs without vectors", "vectors 0 0 -1", "-129"},
		{"input at NULL", "call 0x40000100 0 I1 o4", "-129 [4 clean]"},
		{"output at NULL", "call 0x40000100 0 N1 o4", "-129 [1 clean] [4 clean]"},
		{"input around the end of memory", "call 0x40000100 0 W8 o4", "-129 [4 clean]"},
		{"output around the end of memory", "call 0x40000100 0 i01 O0xffffffffffffffff", "-129 [18446744073709551615 clean]"},
		{"output of 4 GiB", "call 0x40000100 0 i01 O0xffffffff", "-141 [4294967295 clean]"},
		{"outputs whose sum overflows", "call 0x40000100 0 O0x7fffffffffff O0x7fffffffffff", "-141 [140737488355327 clean] [140737488355327 clean]"},
		{"outputs whose sum wraps to 0", "call 0x40000100 0 O0x8000000000000000 O0x8000000000000000", "-141 [9223372036854775808 clean] [9223372036854775808 clean]"},
		{"inputs over 1 MiB", "call 0x40000100 0 z1048576 i01 o4", "-141 [4 clean]"},
		{"outputs over 1 MiB", "call 0x40000100 0 o1048576 o1", "-141 [1048576 clean] [1 clean]"},
		{"close the null handle", "close 0", "ok"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c.t = t
			c.want(r.command, r.answer)
		})
	}
	if accepted, _ := p.counts(); accepted != 0 {
		t.Errorf("the peer was asked")
	}
}

func testUnreachable(t *testing.T, program string) {
	path := socketPath(t)
	rows := []struct{ name, socket string }{
		{"no variable", ""},
		{"no socket", path},
		{"path too long", "/" + strings.Repeat("x", 200)},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c := startClient(t, program, r.socket)
			c.want("framework", "0x0000")
			c.want("version 1", "0")
			c.want("connect 1 1", "-145")
			c.want("call 0x40000100 0 i01 o4", "-145 [0 clean]")
			c.want("cloexec", "sockets 0 kept 0")
		})
	}
	c := startClient(t, program, path)
	c.want("framework", "0x0000")
	listenPeer(t, path, serve)
	c.want("framework", "0x0101")
}

// sum is the checksum that the C program prints for n bytes of its pattern from
// an offset.
func sum(from, n int) string {
	h := fnv.New32a()
	h.Write(pattern(from, n))
	return fmt.Sprintf("%08x", h.Sum32())
}

// data is what it prints for an output of those bytes.
func data(from, n int) string {
	if n > 64 {
		return sum(from, n)
	}
	return fmt.Sprintf("%x", pattern(from, n))
}

func pattern(from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((from + i) % 251)
	}
	return b
}
