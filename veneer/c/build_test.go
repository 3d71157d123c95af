package c_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// variant is one way to build the C program of the tests.
type variant struct {
	name  string
	flags []string
}

var variants = []variant{
	{"plain", []string{"-O2"}},
	{"asan", []string{"-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}},
	{"tsan", []string{"-O1", "-g", "-fsanitize=thread"}},
	// As TF-M's sources before 2.2 need it, which send a size_t as it is.
	{"m32", []string{"-O2", "-m32"}},
}

// strict is what every file of the library compiles under without a word.
var strict = []string{"-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-pthread", "-I", "."}

// compiler returns the C compiler, or skips the test.
func compiler(t *testing.T) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	if _, err := exec.LookPath(cc); err != nil {
		t.Skipf("no C compiler: %v", err)
	}
	return cc
}

func compile(t *testing.T, cc string, args ...string) {
	t.Helper()
	for _, name := range args {
		// What only a compiler reads, go test does not know of: it would go on
		// telling the result from before a change.
		if filepath.Ext(name) == ".c" {
			if _, err := os.Stat(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", cc, strings.Join(args, " "), err, out)
	}
}

// programs are the C programs of one variant.
type programs struct {
	client  string // testdata/client_test.c
	example string // its_asset.c
}

// build compiles the library in one variant, and the programs with it, or skips
// the test where the compiler or the machine does not have that sanitizer.
func (v variant) build(t *testing.T) programs {
	t.Helper()
	cc, dir := compiler(t), t.TempDir()
	probe := filepath.Join(dir, "probe")
	if err := os.WriteFile(probe+".c", []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, append(v.flags, "-o", probe, probe+".c")...).CombinedOutput(); err != nil {
		t.Skipf("%s cannot build with %v: %s", cc, v.flags, out)
	}
	if out, err := exec.Command(probe).CombinedOutput(); err != nil {
		t.Skipf("a program built with %v does not run here: %v %s", v.flags, err, out)
	}
	flags := slices.Concat([]string{"-std=c11"}, strict, v.flags)
	p := programs{filepath.Join(dir, "client_test"), filepath.Join(dir, "its_asset")}
	library := filepath.Join(dir, "postern.o")
	compile(t, cc, append(flags, "-c", "-o", library, "postern.c")...)
	compile(t, cc, append(flags, "-o", p.client, "testdata/client_test.c", library)...)
	compile(t, cc, append(flags, "-o", p.example, "../../nspe/examples/c/its_asset.c", library)...)
	return p
}

// client is the running C program.
type client struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Reader
	stderr strings.Builder
}

// startClient runs the program against a socket. When the test ends it must end
// by itself and without a word of a sanitizer.
func startClient(t *testing.T, program, socket string) *client {
	t.Helper()
	// Only so that a client that hangs fails the test and not the whole run.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "POSTERN_SOCKET="+socket)
	c := &client{t: t}
	cmd.Stderr = &c.stderr
	cmd.WaitDelay = time.Second // a child that hangs keeps the pipes open
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		if rest, _ := io.ReadAll(c.out); len(rest) > 0 {
			t.Errorf("unexpected output: %s", rest)
		}
		if err := cmd.Wait(); err != nil || c.stderr.Len() > 0 {
			t.Errorf("client: %v\n%s", err, c.stderr.String())
		}
	})
	return c
}

// do sends one command and returns the answer.
func (c *client) do(command string) string {
	c.t.Helper()
	if _, err := io.WriteString(c.in, command+"\n"); err != nil {
		c.t.Fatalf("%s: %v", command, err)
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// want sends one command and compares the answer.
func (c *client) want(command, answer string) {
	c.t.Helper()
	if got := c.do(command); got != answer {
		c.t.Errorf("%s:\n got %s\nwant %s", command, got, answer)
	}
}
