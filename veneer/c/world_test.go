package c_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-spe/postern/partitions/echo"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

// startWorld boots a secure world with the echo service and runs the client
// program on it.
func startWorld(t *testing.T, program string) (*spetest.SPE, *client) {
	t.Helper()
	world := spetest.StartWith(t, spe.Options{BenchEcho: true})
	return world, startClient(t, program, world.Socket())
}

// echoService is the handle of the echo service as the client program reads it.
var echoService = strconv.Itoa(int(echo.Handle))

func testWorldServices(t *testing.T, program string) {
	_, c := startWorld(t, program)
	c.want("use "+echoService, "ok")
	c.want("framework", "0x0101")
	c.want(fmt.Sprintf("version %d", its.SID), "1")
	c.want(fmt.Sprintf("version %d", echo.SID), "1")
	c.want("version 0x12345", "0")
	c.want("connect 0x12345 1", "-130")
	c.want(fmt.Sprintf("connect %d 1", echo.SID), "-129") // stateless
	c.refusals(t, echoService)

	call := "call " + echoService
	c.want(call+" 0 i0102 o4", "0 [2 0102 clean]")
	c.want(call+" 0 i0102 o1 o3", "0 [1 01 clean] [0 clean]")
	c.want(call+" 99 i01 o4", "-134 [0 clean]")
	for _, n := range []int{4096, 60 << 10, maxPayload} {
		c.want(fmt.Sprintf("%s 0 z%d o%d", call, n, n), fmt.Sprintf("0 [%d %s clean]", n, sum(0, n)))
	}
	c.want("cloexec", "sockets 1 kept 0")
}

func testWorldThreads(t *testing.T, program string) {
	_, c := startWorld(t, program)
	c.want("use "+echoService, "ok")
	c.want("threads 100 20 3000", "ok")
	c.want("storm", "ok")
	c.want("threads 4 4 1000000", "ok")
}

// testWorldFork gives a volatile key to a process and looks for it from a child,
// which the secure world has to know as another client.
func testWorldFork(t *testing.T, program string) {
	_, c := startWorld(t, program)
	parent, child := cGate{client: c}, cGate{client: c, prefix: "child "}
	secret := bytes.Repeat([]byte{0x5e}, 16)
	id, err := crypto.New(parent).Import(volatileKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := crypto.New(child).Export(id); !errors.Is(err, veneer.ErrInvalidHandle) {
		t.Errorf("a child exports its parent's key: %x, %v", got, err)
	}
	if got, err := crypto.New(parent).Export(id); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("the parent exports its key: %x, %v", got, err)
	}
	if err := its.New(child).Set(1, []byte("left by a child"), 0); err != nil {
		t.Error(err)
	}
	if got, err := its.New(parent).ReadAll(1); err != nil || string(got) != "left by a child" {
		t.Errorf("the child's asset: %q, %v", got, err)
	}
	c.want("use "+echoService, "ok")
	c.want("forks 10 4", "bad 0 threads 1")
}

// testWorldRestart boots the secure world again under a client with several
// channels. What is volatile is gone, and nothing else.
func testWorldRestart(t *testing.T, program string) {
	world, c := startWorld(t, program)
	gate := cGate{client: c}
	if err := its.New(gate).Set(7, []byte("survives"), 0); err != nil {
		t.Fatal(err)
	}
	id, err := crypto.New(gate).Import(volatileKey, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	c.want("use "+echoService, "ok")
	c.want("threads 16 10 3000", "ok")
	world.Restart()
	if got, err := its.New(gate).ReadAll(7); err != nil || string(got) != "survives" {
		t.Errorf("the asset after a restart: %q, %v", got, err)
	}
	if _, err := crypto.New(gate).Export(id); !errors.Is(err, veneer.ErrInvalidHandle) {
		t.Errorf("the volatile key after a restart: %v", err)
	}
	c.want("threads 16 10 3000", "ok")
	world.Restart()
	c.want("framework", "0x0101")
	if err := world.Close(); err != nil {
		t.Fatal(err)
	}
	c.want("framework", "0x0000")
	c.want("call "+echoService+" 0 i01 o4", "-145 [0 clean]")
}

func testExample(t *testing.T, program string) {
	world := spetest.Start(t)
	run := func(args []string) (int, string) {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "POSTERN_SOCKET="+world.Socket())
		out, err := cmd.Output()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	rows := []struct {
		name   string
		args   []string
		status int
		stdout string
	}{
		{"default", nil, 0, "stored 23 bytes under uid 0xc0ffee\nread back: the door is at the back\n"},
		{"given", []string{"7", "hello"}, 0, "stored 5 bytes under uid 0x7\nread back: hello\n"},
		{"empty asset", []string{"8", ""}, 0, "stored 0 bytes under uid 0x8\nread back: \n"},
		{"largest", []string{"9", strings.Repeat("x", 512)}, 0, "stored 512 bytes under uid 0x9\nread back: " + strings.Repeat("x", 512) + "\n"},
		{"uid 0", []string{"0"}, 2, ""},
		{"too long", []string{"1", strings.Repeat("x", 513)}, 2, ""},
	}
	for _, r := range rows {
		if status, out := run(r.args); status != r.status || out != r.stdout {
			t.Errorf("%s: exit status %d, output %q; want %d, %q", r.name, status, out, r.status, r.stdout)
		}
	}
	world.Restart()
	if status, out := run([]string{"7", "hello again"}); status != 0 {
		t.Errorf("after a restart: exit status %d, output %q", status, out)
	}
	if err := world.Close(); err != nil {
		t.Fatal(err)
	}
	if status, out := run(nil); status != 1 || out != "" {
		t.Errorf("without a secure world: exit status %d, output %q", status, out)
	}
}

var volatileKey = psa.KeyAttributes{Type: psa.KeyAES, Usage: psa.UsageExport}

// cGate is a gate whose calls a C program makes: the typed clients on it see
// what the C library gives. Outputs are of up to 64 bytes. The prefix "child "
// has each call made by a forked child.
type cGate struct {
	*client
	prefix string
}

var _ veneer.Gate = cGate{}

func (g cGate) FrameworkVersion() uint32         { return uint32(g.number("framework")) }
func (g cGate) Version(sid veneer.SID) uint32    { return uint32(g.number("version %d", sid)) }
func (g cGate) Close(h veneer.Handle)            { g.do(fmt.Sprintf("close %d", h)) }
func (g cGate) number(f string, args ...any) int { return g.parse(g.do(fmt.Sprintf(f, args...))) }

func (g cGate) Connect(sid veneer.SID, version uint32) (veneer.Handle, error) {
	if n := g.number("connect %d %d", sid, version); n > 0 {
		return veneer.Handle(n), nil
	} else {
		return veneer.NullHandle, veneer.Status(n)
	}
}

func (g cGate) parse(s string) int {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return int(n)
}

// answered is an output vector as the client program shows it.
var answered = regexp.MustCompile(`\[(\d+) (?:([0-9a-f]+) )?clean\]`)

func (g cGate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	line := fmt.Sprintf("%scall %d %d", g.prefix, h, typ)
	for _, v := range in {
		line += fmt.Sprintf(" i%x", []byte(v))
	}
	for _, v := range out {
		line += fmt.Sprintf(" o%d", len(v))
	}
	answer := g.do(line)
	status, _, _ := strings.Cut(answer, " ")
	vectors := answered.FindAllStringSubmatch(answer, -1)
	if len(vectors) != len(out) {
		g.t.Fatalf("%s: %s", line, answer)
	}
	for i, v := range vectors {
		data, err := hex.DecodeString(v[2])
		switch n := g.parse(v[1]); {
		case err != nil || len(data) > 0 && len(data) != n:
			g.t.Fatalf("%s: %s", line, answer)
		case len(data) > 0 || n == 0:
			out[i] = out[i][:copy(out[i], data)]
		} // or else it was left as it was
	}
	return veneer.Status(g.parse(status))
}
