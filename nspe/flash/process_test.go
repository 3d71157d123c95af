package flash

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// intruderSocket makes the test binary a program that maps the flash of the device
// with this bus socket, and touches a secure address as any pointer would.
const intruderSocket = "FLASH_INTRUDER_SOCKET"

func TestMain(m *testing.M) {
	if path := os.Getenv(intruderSocket); path != "" {
		os.Exit(intrude(path))
	}
	os.Exit(m.Run())
}

// intrude prints the last byte that it may read, and what it finds behind it.
func intrude(path string) int {
	f, err := Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w, err := f.Map()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p, err := w.Bytes(secureFrom-1, 2)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("%#x\n", p[0])
	fmt.Printf("%#x\n", p[1])
	return 0
}

// TestIntruder: outside Do the page fault is the end of the program.
func TestIntruder(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	intruder := exec.Command(exe)
	intruder.Env = append(os.Environ(), intruderSocket+"="+serve(t, newChip(t, "nrf5340")))
	var words strings.Builder
	intruder.Stderr = &words
	out, err := intruder.Output()
	if string(out) != "0xff\n" || err == nil || !strings.Contains(words.String(), "SIGSEGV") {
		t.Errorf("%v, wrote %q\n%s", err, out, words.String())
	}
}

// TestWindowStaysReadOnly: the mapping cannot be made writable, since the
// descriptor that it was made with was not.
func TestWindowStaysReadOnly(t *testing.T) {
	w := mapped(t, openChip(t))
	p := slice(t, w, 0, pageSize)
	if err := unix.Mprotect(p, unix.PROT_READ|unix.PROT_WRITE); err != unix.EACCES {
		t.Errorf("mprotect: %v", err)
	}
}
