package secretmem

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// traced reads r as a debugger would.
func traced(t *testing.T, r *Region) ([]byte, error) {
	t.Helper()
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, len(r.mem))
	_, err = f.ReadAt(p, int64(uintptr(unsafe.Pointer(&r.mem[0]))))
	return p, err
}

func TestRegion(t *testing.T) {
	for _, n := range []int{1, 16, 4096, 4097, 1 << 16} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r, err := Alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			b := r.Bytes()
			if len(b) != n || cap(b) != n || !bytes.Equal(b, make([]byte, n)) {
				t.Errorf("%d bytes of %d, or not zero", len(b), n)
			}
			b[n-1] = 0xA5
			if r.Bytes()[n-1] != 0xA5 {
				t.Error("does not keep what is stored")
			}
			r.Destroy()
			r.Destroy()
			if r.Bytes() != nil {
				t.Error("bytes after Destroy")
			}
		})
	}
	for _, n := range []int{0, -1} {
		if _, err := Alloc(n); err == nil {
			t.Errorf("a region of %d bytes", n)
		}
	}
}

// TestKinds: each kind of memory keeps out whom it says it keeps out.
func TestKinds(t *testing.T) {
	ordinary := func() *Region {
		mem, locked, err := mapOrdinary(100)
		if err != nil {
			t.Fatal(err)
		}
		if !locked {
			return &Region{mem: mem, kind: Ordinary}
		}
		return &Region{mem: mem, kind: Locked}
	}()
	defer ordinary.Destroy()
	copy(ordinary.Bytes(), "visible")
	if p, err := traced(t, ordinary); err != nil || !bytes.HasPrefix(p, []byte("visible")) {
		t.Errorf("%s is not readable by a tracer (%v), so the test below shows nothing", ordinary.Kind(), err)
	}
	mem, err := mapSecret(100)
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EAGAIN):
		t.Skipf("the kernel has no secret memory, or no more of it: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	secret := &Region{mem: mem, kind: Secret}
	defer secret.Destroy()
	copy(secret.Bytes(), "hidden")
	if _, err := traced(t, secret); !errors.Is(err, unix.EIO) {
		t.Errorf("a tracer reading secret memory: %v", err)
	}
	var iov [1]unix.Iovec
	p := make([]byte, 100)
	iov[0].Base, iov[0].Len = &p[0], 100
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&mem[0])), Len: 100}}
	if n, err := unix.ProcessVMReadv(os.Getpid(), iov[:], remote, 0); err == nil {
		t.Errorf("process_vm_readv took %d bytes of secret memory", n)
	}
}

func TestRegionDoesNotPrint(t *testing.T) {
	r, err := Alloc(16)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Destroy()
	copy(r.Bytes(), "0123456789abcdef")
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q"} {
		if got := fmt.Sprintf(verb, r); got != "["+r.Kind()+"]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

const childEnv = "SECRETMEM_TEST_CHILD"

// TestNoMemlock: without the right to lock memory a region is ordinary memory,
// and not an error. The limit is the whole process's, so a child loses it.
func TestNoMemlock(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoMemlock$", "-test.v")
		cmd.Env = append(os.Environ(), childEnv+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	runtime.LockOSThread() // capabilities are a thread's
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{}); err != nil {
		t.Fatal(err)
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&h, &none[0]); err != nil {
		t.Fatal(err)
	}
	r, err := Alloc(16)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Destroy()
	if r.Kind() != Ordinary {
		t.Errorf("%s", r.Kind())
	}
	r.Bytes()[15] = 1
}
