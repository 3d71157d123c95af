package cracen

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// masked is the beginning of a secret that the test looks for, in a form that the
// search itself does not find.
type masked struct {
	name       string
	mask, text [16]byte
}

func mask(name string, secret []byte) (m masked) {
	m.name = name
	rand.Read(m.mask[:])
	for i := range m.text {
		m.text[i] = secret[i] ^ m.mask[i]
	}
	return m
}

// in returns whether p has the secret, as it is or as words of the other byte
// order, as which a key schedule may begin with it.
func (m *masked) in(p []byte) bool {
	for _, swap := range []int{0, 3} {
		// Four bytes for the quick search are no secret yet.
		var begin [4]byte
		for j := range begin {
			begin[j] = m.text[j^swap] ^ m.mask[j^swap]
		}
		for q := p; ; q = q[1:] {
			i := bytes.Index(q, begin[:])
			if i < 0 || i+16 > len(q) {
				break
			}
			q = q[i:]
			same := true
			for j := range m.text {
				same = same && q[j^swap] == m.text[j]^m.mask[j]
			}
			if same {
				return true
			}
		}
	}
	return false
}

// found returns the names of the secrets that are in memory of this process that
// it can write, stacks and heap and all.
func found(t *testing.T, secrets []masked) (names []string) {
	t.Helper()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Skip("this system has no /proc to look at memory with")
	}
	defer maps.Close()
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skipf("no look at the memory: %v", err)
	}
	defer mem.Close()
	var lo, hi uint64
	var read int
	buf := make([]byte, 1<<16+16)
	defer clear(buf) // what it found would be found the next time
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		line := lines.Text()
		var perm string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &lo, &hi, &perm); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !strings.HasPrefix(perm, "rw") || hi-lo > 1<<28 {
			continue // the large ones are the race detector's
		}
		for ; lo < hi; lo += 1 << 16 {
			p := buf[:min(uint64(len(buf)), hi-lo)]
			if _, err := mem.ReadAt(p, int64(lo)); err != nil {
				continue // secret memory, which nobody reads so
			}
			read += len(p)
			for i := range secrets {
				if secrets[i].in(p) && !slices.Contains(names, secrets[i].name) {
					names = append(names, secrets[i].name)
				}
			}
		}
	}
	if read == 0 {
		t.Skip("no memory could be read")
	}
	return names
}

// TestNoKeyIsLeftInMemory: after keys have been provisioned, used and erased, none
// of their bytes are anywhere in the process. The identity key is not among them:
// crypto/ecdsa has copies that cannot be wiped.
func TestNoKeyIsLeftInMemory(t *testing.T) {
	d := newDevice(t)
	var secrets []masked
	fresh := func(name string, n int) []byte {
		p := make([]byte, n)
		rand.Read(p)
		for i := 0; i < n; i += 16 {
			secrets = append(secrets, mask(fmt.Sprintf("%s, from byte %d", name, i), p[i:]))
		}
		return p
	}
	// A signal puts the registers on a stack, with what a copy has left in them, and
	// that nobody wipes. The Go runtime sends them to preempt: for the collector, and
	// who has run for long. So neither happens here while there are keys, and that
	// the search finds what is there is shown with bytes of its own.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	control := fresh("control", 16)
	if names := found(t, secrets); len(names) != 1 {
		t.Fatalf("the search does not find %x, which is there", control)
	}
	secrets = nil
	runtime.Gosched()
	p := fresh("seed", SeedSize)
	err := d.WriteSeed(p)
	clear(p)
	for i, s := range []Scheme{Protected, Encrypted, Raw} {
		a := aesKey(s, 10*i, 256, PersistenceReadOnly)
		p := fresh(s.String(), 32)
		err = errors.Join(err, d.Provision(a, p))
		clear(p)
		err = errors.Join(err, d.Use(a.ID, func([]byte) error { return nil }))
	}
	out := make([]byte, 32)
	err = errors.Join(err, d.DeriveHUK([]byte("a"), nil, out), d.DeriveMKEK([]byte("a"), nil, out))
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, mask("derived", out))
	clear(out)
	if err := d.engine.use(func(k rootKeys) error {
		secrets = append(secrets, mask("MKEK", k.mkek), mask("MEXT", k.mext))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := d.kmu.EraseAll(); err != nil {
		t.Fatal(err)
	}
	d.engine.Reset()
	if names := found(t, secrets); names != nil {
		t.Errorf("still in memory: %q", names)
	}
}
