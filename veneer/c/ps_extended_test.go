package c_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/spe/spetest"
)

// TestExtended calls the two functions of Protected Storage that TF-M's sources
// lack, on a whole secure world.
func TestExtended(t *testing.T) {
	t.Parallel()
	cc, dir := compiler(t), t.TempDir()
	program := filepath.Join(dir, "ps_extended_test")
	flags := slices.Concat([]string{"-std=c99", "-D_POSIX_C_SOURCE=200809L"}, strict)
	compile(t, cc, append(flags, "-o", program, "testdata/ps_extended_test.c", "ps_extended.c", "postern.c")...)

	world := spetest.Start(t)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "POSTERN_SOCKET="+world.Socket())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `create uid 0: -135
create write-once: -134
create unknown flag: -134
create too much: -142
create 4 GiB and 16: -142
create uid 7: 0
create uid 7 again: -139
write start: 0
write end: 0
write over: 0
write nothing: 0
write past the end: -135
write past the capacity: -135
write too much: -135
write all but too much: -135
write more than a call: -135
write uid 8: -140
write at 4 GiB: -135
write NULL: -135
write no bytes at NULL: 0
read: 0 the gate is open
`
	got := string(out)
	if !strings.Contains(got, "4 GiB") { // a size_t of 32 bits
		got = strings.Replace(got, "create uid 7: ", "create 4 GiB and 16: -142\ncreate uid 7: ", 1)
		got = strings.Replace(got, "write NULL", "write at 4 GiB: -135\nwrite NULL", 1)
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
